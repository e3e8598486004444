// Runs in the machine: executes the commands of a JSON list (../vm.ts, `Command`) sequentially; prints one result per
// line.
import { spawnSync } from "node:child_process";
import { readFileSync, writeSync } from "node:fs";

for (const command of JSON.parse(readFileSync(0, "utf8"))) {
  const [file, ...words] = command.words;
  const ran = spawnSync(file, words, {
    uid: command.uid,
    gid: command.gid ?? command.uid,
    cwd: command.cwd,
    env: { ...process.env, ...command.env },
    input: command.input ?? "",
    timeout: command.timeout * 1000,
    killSignal: "SIGKILL",
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const { status, signal, error } = ran;
  const stderr = ran.pid === 0 && error ? `${error.message}\n` : ran.stderr;
  const line = Buffer.from(`${JSON.stringify({ status, signal, stdout: ran.stdout ?? "", stderr })}\n`);
  for (let sent = 0; sent < line.length; ) sent += writeSync(1, line, sent);
}
