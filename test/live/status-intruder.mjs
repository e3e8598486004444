// Runs in a confined tree and attacks the status socket of its own supervisor.
import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";

const [mode, path] = process.argv.slice(2);
// Each of them is judged.
setInterval(() => {
  for (let count = 0; count < 100; count++) void process.ppid;
}, 10);

if (mode === "listen-in") {
  let bytes = 0;
  const socket = connect(path);
  socket.on("data", (data) => (bytes += data.length));
  socket.on("error", () => {});
  socket.on("close", () => console.log(`closed after ${bytes} bytes`));
}
if (mode === "forge") {
  rmSync(path);
  createServer((socket) => {
    socket.on("error", () => {});
    socket.write(`${JSON.stringify({ v: 1, kind: "status", policy: "forged", verdicts: [], refusals: [] })}\n`);
  }).listen(path, () => console.log("forged"));
}
if (mode === "flood") {
  let opened = 0;
  const open = () => {
    const socket = connect(path);
    socket.on("error", () => {});
    socket.on("close", open);
    if (++opened === 500) console.log("flooded");
  };
  for (let count = 0; count < 20; count++) open();
}
if (mode === "work") console.log("working");
process.stdin.on("end", () => process.exit(0)).resume();
