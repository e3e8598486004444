/** The measured servers, in the order of the paper's table. */
import type { Server } from "./server.ts";
import { httpd } from "./servers/apache.ts";
import { bind } from "./servers/bind.ts";
import { lighttpd } from "./servers/lighttpd.ts";
import { memcached } from "./servers/memcached.ts";
import { nginx } from "./servers/nginx.ts";
import { redis } from "./servers/redis.ts";

export const servers: readonly Server[] = [httpd, nginx, lighttpd, memcached, redis, bind];
