/** Modules of the protocol as they are in a runtime that has nothing of Node. */
import { vi } from "vitest";

/**
 * Loads modules anew while `process.getBuiltinModule` is hidden: `import_` must import them, and whatever they import is
 * loaded anew as well.
 */
export async function withoutNatives<Module>(import_: () => Promise<Module>): Promise<Module> {
  const { getBuiltinModule } = process;
  vi.resetModules();
  Reflect.deleteProperty(process, "getBuiltinModule");
  try {
    return await import_();
  } finally {
    process.getBuiltinModule = getBuiltinModule;
    vi.resetModules();
  }
}
