/** Every fuzz target, in the order in which they run. */
import type { Target } from "../target.ts";
import { closePayloadTarget } from "./close-payload.ts";
import { clusterTarget } from "./cluster.ts";
import { deflateParametersTarget } from "./deflate-parameters.ts";
import { deflateStreamTarget } from "./deflate-stream.ts";
import { framesTarget } from "./frames.ts";
import { headerFieldsTarget } from "./header-fields.ts";
import { requestTarget } from "./request.ts";
import { responseTarget } from "./response.ts";
import { resumeTarget } from "./resume.ts";
import { shortMessagesTarget } from "./short-messages.ts";

/** See the head of each. */
export const targets: readonly Target[] = [
  framesTarget("server"),
  framesTarget("client"),
  requestTarget,
  responseTarget,
  headerFieldsTarget,
  deflateParametersTarget,
  deflateStreamTarget,
  shortMessagesTarget,
  closePayloadTarget,
  clusterTarget,
  resumeTarget,
];
