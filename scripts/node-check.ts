/** Runs in every worker of tests for one version of Node, before its tests: fails them on any other. */
const { WANTED_NODE: wanted } = process.env;
if (process.versions.node !== wanted)
  throw new Error(`Cannot test on Node ${wanted}: this is ${process.versions.node}`);
