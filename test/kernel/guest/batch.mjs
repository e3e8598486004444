// Runs in the machine: executes commands (../vm.ts, `Command`) sequentially, of which each line of standard input has one
// as JSON; prints one result per line, and an empty line for output of a command: the machine's time limit is that without any.
import { spawn } from "node:child_process";
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";

function print(text) {
  const bytes = Buffer.from(`${text}\n`);
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(1, bytes, sent);
}

function run({ words: [file, ...words], uid, gid = uid, cwd, env, input = "", timeout }) {
  const child = spawn(file, words, { uid, gid, cwd, env: { ...process.env, ...env }, stdio: "pipe" });
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8").on("data", (part) => {
      text[name] += part;
      print("");
    });
  }
  child.stdin.on("error", () => {}); // The command may not read its input.
  child.stdin.end(input);
  return new Promise((done) => {
    // Processes that the command leaves may hold the pipes.
    const clock = setTimeout(() => {
      child.kill("SIGKILL");
      child.stdout.destroy();
      child.stderr.destroy();
    }, timeout * 1000);
    child.on("error", ({ message }) => done({ status: null, signal: null, stdout: "", stderr: `${message}\n` }));
    child.on("close", (status, signal) => {
      clearTimeout(clock);
      done({ status, signal, ...text });
    });
  });
}

for await (const line of createInterface({ input: process.stdin })) print(JSON.stringify(await run(JSON.parse(line))));
process.exit();
