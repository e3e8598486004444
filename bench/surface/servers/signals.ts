/** Parts of configurations and loads that several servers share: signals, log rotation, PHP. */
import { existsSync, readFileSync, renameSync } from "node:fs";
import { connect } from "node:net";
import { freePort } from "../../support/port.ts";
import { eventually, type Site } from "../site.ts";

export function signal(pidFile: string, name: NodeJS.Signals): void {
  process.kill(Number(readFileSync(pidFile, "utf8")), name);
}

/** Renames the log, as logrotate does, sends the signal, and makes requests until the server writes a new log. */
export async function rotated(
  pidFile: string,
  name: NodeJS.Signals,
  log: string,
  ask: () => Promise<unknown>,
): Promise<void> {
  if (existsSync(log)) renameSync(log, `${log}.1`);
  signal(pidFile, name);
  await eventually(async () => {
    await ask();
    if (!existsSync(log)) throw new Error(`${log} does not come back after ${name}`);
  });
}

/** Starts PHP behind a FastCGI port. */
export async function phpUpstream(site: Site): Promise<number> {
  const port = await freePort();
  site.helper(["php-cgi", "-b", `127.0.0.1:${port}`], { PHP_FCGI_CHILDREN: "1", PHP_FCGI_MAX_REQUESTS: "500" });
  await eventually(
    () =>
      new Promise<void>((resolve, reject) => {
        const probe = connect(port, "127.0.0.1", () => {
          probe.destroy();
          resolve();
        });
        probe.on("error", reject);
      }),
  );
  return port;
}
