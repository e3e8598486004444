/** Requests to the servers of the benchmark of proposals, and files that several of them have. */
import type { Place, Request } from "./program.ts";

export const url = ({ port }: Place, path = "/"): string => `http://127.0.0.1:${port}${path}`;
export const get = (place: Place, path: string, answer: RegExp, options = ""): Request => [
  `curl -gsS -m 10 ${options} '${url(place, path)}'`,
  answer,
];
/** `count` requests at once, all of which must have the answer. */
export const atOnce = (place: Place, path: string, count: number): Request => [
  `seq ${count} | xargs -P ${count} -I{} curl -sS -m 10 -o /dev/null -w '%{http_code}\\n' '${url(place, path)}' | grep -c 200`,
  new RegExp(`^${count}$`, "m"),
];
/** A client that connects and closes without a word. */
export const silent = ({ port }: Place): Request => [
  `python3 -c 'import socket; socket.create_connection(("127.0.0.1", ${port})).close()'; echo closed`,
  /closed/,
];
export const site = { "www/index.html": "hello\n", "www/large": "x".repeat(300_000), "www/list/a": "a\n" };

export const certificate =
  "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost 2>openssl.log; cat key.pem cert.pem >both.pem";

export const ask = ({ port }: Place, words: string, answer: RegExp): Request => [
  `dig +time=5 +tries=1 @127.0.0.1 -p ${port} ${words}`,
  answer,
];

export const wsgiApplication = {
  "app.py":
    "def app(environ, start):\n    body = b'hello' if environ['PATH_INFO'] == '/' else b'x' * 300000\n    start('200 OK', [('Content-Length', str(len(body)))])\n    return [body]\n",
};

/** Signals of an administrator; `seconds`: until the server has done what it asks for. */
export const signal = ({ folder }: Place, name: string, seconds: number): Request => [
  `kill -${name} $(head -n 1 ${folder}/pid); sleep ${seconds}; echo done`,
  /done/,
];
