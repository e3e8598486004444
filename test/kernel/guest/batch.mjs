// Runs in the machine: executes commands (../vm.ts, `Command`) sequentially, of which each line of standard input has one
// as JSON; prints one result per line, and an empty line for output of a command: the machine's time limit is that without any.
// A service is started at its first command, and runs until this process ends.
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

/** By words and user. */
const services = new Map();

function started({ words: [file, ...words], uid, gid = uid, cwd, env }, key) {
  const child = spawn(file, words, { uid, gid, cwd, env: { ...process.env, ...env }, stdio: "pipe" });
  const service = { child, answered: () => {} };
  let errors = "";
  const ends = (status, signal, stderr) => {
    services.delete(key);
    service.answered({ status: status === 0 ? 1 : status, signal, stdout: "", stderr });
  };
  child.stderr.setEncoding("utf8").on("data", (part) => {
    errors += part;
  });
  child.stdin.on("error", () => {}); // Its end reports it.
  createInterface({ input: child.stdout }).on("line", (stdout) =>
    service.answered({ status: 0, signal: null, stdout, stderr: "" }),
  );
  child.on("error", ({ message }) => ends(null, null, `${message}\n`));
  child.on("close", (status, signal) => ends(status, signal, errors));
  services.set(key, service);
  return service;
}

/** The answer to a line of a service's input is a line. */
function ask(command) {
  const { words, uid, input, timeout } = command;
  const key = JSON.stringify([words, uid]);
  const service = services.get(key) ?? started(command, key);
  return new Promise((done) => {
    const clock = setTimeout(() => service.child.kill("SIGKILL"), timeout * 1000);
    service.answered = (outcome) => {
      clearTimeout(clock);
      done(outcome);
    };
    service.child.stdin.write(`${input}\n`);
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  print(JSON.stringify(await (command.service ? ask(command) : run(command))));
}
process.exit();
