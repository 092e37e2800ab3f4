/**
 * The entry `openline/resume`: topics that go on where they were, in Node and in pages.
 */

export type { Resume, ResumedSocket } from "../reconnecting/resume.ts";
export { type Resumed, type ResumeGap, type ResumeTopicsOptions, resumeTopics } from "./resume-topics.ts";
