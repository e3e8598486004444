// What "portcullis" is to a policy that the host runs; see host.ts. Bundled into the module, so it asks for its maker.
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
