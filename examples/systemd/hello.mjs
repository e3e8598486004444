// A server that systemd starts at the first connection: the listening socket is descriptor 3 (sd_listen_fds(3)).
import { createServer } from "node:http";

createServer((_, response) => response.end("hello from below portcullis\n")).listen({ fd: 3 });
