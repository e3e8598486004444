import { allow, parameter, policy } from "portcullis";

const sockets = parameter.paths("listed-sockets", { default: [] });

/**
 * Unix sockets of these paths and below these directories only. `run` adds this policy where no mounts can hide `files.private`,
 * because Landlock permits connections to every socket by its path before Linux 7.1. Before that a step judges each connect(2).
 */
export default policy({ unix: { connect: sockets } }, () => allow);
