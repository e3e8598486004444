/**
 * Splits a command line into options and other words, as util.parseArgs of Node does (a test compares them), whose code
 * Node compiles at each start: a millisecond.
 */

export type Token =
  | OptionToken
  | { readonly kind: "word"; readonly index: number; readonly value: string }
  | Terminator;

export interface OptionToken {
  readonly kind: "option";
  /** The long name if the option has one. */
  readonly name: string;
  /** As written: "-q", "--json". */
  readonly rawName: string;
  /** Undefined if none is given. */
  readonly value: string | undefined;
  /** The value stands in the same word: `--set=a=1`, `-sa=1`. */
  readonly inlineValue: boolean;
}

/** The first `--`, after which no word is an option. */
interface Terminator {
  readonly kind: "terminator";
  readonly index: number;
}

export interface TokenOption {
  readonly short?: string;
  readonly takesValue: boolean;
}

export function tokensOf(argv: readonly string[], options: Readonly<Record<string, TokenOption>>): readonly Token[] {
  const longOf = new Map(Object.entries(options).map(([name, { short }]) => [short, name]));
  const takesValue = (name: string) => Object.hasOwn(options, name) && options[name]!.takesValue;
  const tokens: Token[] = [];
  let at = 0;
  /** An option whose value, if it takes one, is the next word. */
  const alone = (name: string, rawName: string): void => {
    const value = takesValue(name) ? argv[at + 1] : undefined;
    if (value !== undefined) at++;
    tokens.push({ kind: "option", name, rawName, value, inlineValue: false });
  };
  /** Short options in one word; the first that takes a value has the rest of the word. */
  const short = (word: string): void => {
    for (let letter = 1; letter < word.length; letter++) {
      const rawName = `-${word[letter]}`;
      const name = longOf.get(word[letter]) ?? word[letter]!;
      const rest = word.slice(letter + 1);
      if (rest !== "" && takesValue(name)) {
        tokens.push({ kind: "option", name, rawName, value: rest, inlineValue: true });
        return;
      }
      if (rest === "") alone(name, rawName);
      else tokens.push({ kind: "option", name, rawName, value: undefined, inlineValue: false });
    }
  };
  for (; at < argv.length; at++) {
    const word = argv[at]!;
    const equals = word.indexOf("=", 3);
    if (word === "--") {
      tokens.push({ kind: "terminator", index: at });
      while (++at < argv.length) tokens.push({ kind: "word", index: at, value: argv[at]! });
    } else if (word.startsWith("--") && equals !== -1) {
      const name = word.slice(2, equals);
      tokens.push({ kind: "option", name, rawName: `--${name}`, value: word.slice(equals + 1), inlineValue: true });
    } else if (word.startsWith("--")) alone(word.slice(2), word);
    else if (word.startsWith("-") && word.length > 1) short(word);
    else tokens.push({ kind: "word", index: at, value: word });
  }
  return tokens;
}
