/** The batch tools of the benchmark of proposals: one command is recorded, another one runs under the policy. */
import type { BatchProgram } from "./program.ts";

/** A page with a line of text, without a table of its objects: readers rebuild that. */
const document = (text: string): string =>
  `%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R /Resources <</Font <</F <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>>>>>>> endobj
4 0 obj <</Length ${text.length + 35}>> stream
BT /F 24 Tf 20 100 Td (${text}) Tj ET
endstream endobj
trailer <</Root 1 0 R>>
`;

const shell = (command: string): readonly string[] => ["sh", "-c", command];

const tools: readonly Omit<BatchProgram, "kind">[] = [
  {
    name: "pdftoppm",
    package: "poppler-utils",
    files: () => ({ "a.pdf": document("hello"), "b.pdf": document("another text") }),
    recorded: ({ folder }) => ["pdftoppm", "-png", `${folder}/a.pdf`, `${folder}/a`],
    later: ({ folder }) => ["pdftoppm", "-r", "300", "-gray", "-png", `${folder}/b.pdf`, `${folder}/b`],
  },
  {
    name: "ffmpeg",
    package: "ffmpeg",
    recorded: ({ folder }) => [
      ...["ffmpeg", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc=duration=1:size=64x64", `${folder}/a.mp4`],
    ],
    later: ({ folder }) => [
      ...["ffmpeg", "-nostdin", "-y", "-i", `${folder}/a.mp4`, "-f", "hls", "-hls_time", "1", `${folder}/list.m3u8`],
    ],
  },
  {
    name: "convert",
    package: "imagemagick",
    recorded: ({ folder }) => ["/usr/bin/convert", "-size", "64x64", "gradient:", `${folder}/a.png`],
    later: ({ folder }) => [
      "/usr/bin/convert",
      `${folder}/a.png`,
      "-resize",
      "1000x1000",
      "-blur",
      "0x2",
      `${folder}/b.jpg`,
    ],
  },
  {
    name: "tar",
    package: "tar",
    files: () => ({ "one/a": "a\n", "two/b": "b\n", "two/c": "x".repeat(100_000) }),
    prepare: () => "ln -sf a one/link",
    recorded: ({ folder }) => ["tar", "-C", folder, "-czf", `${folder}/one.tgz`, "one"],
    later: ({ folder }) => ["tar", "-C", folder, "-czf", `${folder}/two.tgz`, "one", "two"],
  },
  {
    name: "sqlite3",
    package: "sqlite3",
    recorded: ({ folder }) => [
      "sqlite3",
      `${folder}/a.db`,
      "create table t (a); insert into t values (1); select * from t",
    ],
    later: ({ folder }) => [
      ...["sqlite3", `${folder}/b.db`],
      "create table t (a); begin; insert into t select value from generate_series(1, 50000); create index i on t (a); commit; delete from t where a % 2; vacuum; pragma journal_mode = wal; insert into t values (1); select count(*) from t",
    ],
  },
  {
    name: "a shell script",
    package: "dash",
    recorded: ({ folder }) => shell(`cd ${folder}; echo hello >a; cat a | tr a-z A-Z >b; rm a; ls`),
    later: ({ folder }) =>
      shell(`cd ${folder}; for i in 1 2 3; do echo $i; done >c; cat c c | tr 1-3 a-c >d; rm c; ls d`),
  },
];

export const batchTools: readonly BatchProgram[] = tools.map((tool) => ({ kind: "batch", ...tool }));
