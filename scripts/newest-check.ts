/** Runs in every worker of the gate `newest`, before its tests: fails them unless the Node they run on is the newest one. */
const { NEWEST_NODE: newest } = process.env;
if (process.versions.node !== newest)
  throw new Error(`Cannot test on Node ${newest}: this is ${process.versions.node}`);
