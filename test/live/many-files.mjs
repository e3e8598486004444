// Reads, writes and looks at files from several threads. Prints each file whose bytes or size are not its own.
import { mkdirSync, promises, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder] = process.argv.slice(2);
const files = 200;
const sizeOf = (file) => 5000 + 37 * file;
const nameOf = (file) => join(folder, `f${file}`);
mkdirSync(folder);
for (let file = 0; file < files; file++) writeFileSync(nameOf(file), Buffer.alloc(sizeOf(file), file));

function expectBytes(what, bytes, file) {
  if (!bytes.equals(Buffer.alloc(sizeOf(file), file))) console.log(what, file, bytes.length, bytes[0]);
}

async function use(file, round) {
  const { size } = await promises.stat(nameOf(file));
  if (size !== sizeOf(file)) console.log("stat", file, size);
  const bytes = await promises.readFile(nameOf(file));
  expectBytes("read", bytes, file);
  const into = join(folder, `${file % 40}`, `${round}`);
  await promises.mkdir(into, { recursive: true });
  const [made, moved] = [join(into, `${file}`), join(into, `${file}.moved`)];
  await promises.writeFile(made, bytes);
  await promises.rename(made, moved);
  expectBytes("copy", await promises.readFile(moved), file);
  const { size: copied } = await promises.lstat(moved);
  if (copied !== sizeOf(file)) console.log("lstat", file, copied);
}

for (let round = 0; round < 5; round++) {
  const left = Array.from({ length: files }, (_, file) => file);
  const one = async () => {
    while (left.length > 0) await use(left.pop(), round);
  };
  await Promise.all(Array.from({ length: 16 }, one));
}
console.log("done");
