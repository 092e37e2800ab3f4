/** Tables of states, and those that a connection runs on. */
import { describe, expect, test } from "vitest";
import { machines } from "../../scripts/state-machines.ts";
import { closingStates, peerEnds } from "../../src/connection/closing/closing-state.ts";
import { deliveryStates, pumpStates } from "../../src/connection/receiving/delivery-state.ts";
import { IllegalTransition, illegal, type LinkedState, linkStates } from "../../src/protocol/state-table.ts";

type Linked = Readonly<Record<string, LinkedState<string, string>>>;

describe("linkStates", () => {
  const { off, on } = linkStates({ off: { pressed: "on" }, on: { pressed: "off", broken: "on" } }, {
    pressed: true,
    broken: true,
  } as Record<"pressed" | "broken", true>);

  test("joins each state to those that its events lead to", () => {
    expect([off.name, off.pressed === on, on.pressed === off, on.broken === on]).toEqual(["off", true, true, true]);
    expect(off.broken).toBeUndefined();
  });

  test("gives all states the same properties in the same order, for V8", () => {
    expect(Object.keys(off)).toEqual(Object.keys(on));
  });

  test("illegal names the state and the event", () => {
    expect(() => illegal(off, "broken")).toThrow(new IllegalTransition("broken", "off"));
    expect(() => illegal(off, "broken")).toThrow("Illegal transition: broken while off");
  });
});

const linked: Readonly<Record<string, Linked>> = {
  "The message pump": pumpStates as unknown as Linked,
  Delivery: deliveryStates as unknown as Linked,
  "This side's end": closingStates as unknown as Linked,
  "The peer's end": peerEnds as unknown as Linked,
};

describe.each(machines)("$title", ({ title, table, begins, events }) => {
  const reached = new Set([begins]);
  // A set that grows while it is walked is walked to its end.
  for (const state of reached) for (const next of Object.values(table[state]!)) if (next) reached.add(next);

  test("has a way to each of its states from where it begins", () => {
    expect([...reached].sort()).toEqual(Object.keys(table).sort());
  });

  test("has an arrow for each of its events", () => {
    const used = new Set(Object.values(table).flatMap((leads) => Object.keys(leads)));
    expect([...used].sort()).toEqual(Object.keys(events).sort());
  });

  const states = linked[title];
  if (states === undefined) return;

  test.each(Object.keys(table))("walks every pair of events from %s as the table says, and no other", (from) => {
    for (const first of Object.keys(events)) {
      const next = table[from]![first];
      expect(states[from]![first]?.name).toBe(next);
      if (next === undefined) {
        expect(() => states[from]![first] ?? illegal(states[from]!, first)).toThrow(IllegalTransition);
        continue;
      }
      for (const second of Object.keys(events)) expect(states[from]![first]![second]?.name).toBe(table[next]![second]);
    }
  });
});
