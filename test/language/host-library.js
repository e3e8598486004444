// The "portcullis" library of policies that the host runs; see host.ts. It is bundled into the module.
/* global portcullisHost */
export const {
  allow,
  log,
  deny,
  trap,
  kill,
  strictest,
  calls,
  perThread,
  perProcess,
  perTree,
  tree,
  now,
  duration,
  report,
  policy,
  parameter,
} = portcullisHost;
