import { parseArguments } from "../arguments.ts";
import { type Command, type Context, defineCommand, type OptionSpec } from "../command.ts";
import type { ETCD_OPTIONS } from "../etcd-options.ts";
import { etcdTarget } from "../read-etcd-options.ts";
import { EXIT } from "../exit.ts";
import { shownText } from "../../shown-text.ts";

/** What a word may be completed to. */
interface Candidate {
  readonly text: string;
  readonly means?: string;
}

/**
 * The names of services that are offered: shells insert them as they are, and anyone may register `$(rm -rf ~)`.
 */
const HARMLESS = /^[\w./@+-]+$/;

/** `connect-lb complete`: what the scripts of `connect-lb completion` call. */
export const complete: Command = defineCommand({
  name: "complete",
  summary: "print what the last word of a command line may be, for the scripts of connect-lb completion",
  examples: [{ line: "complete -- ls --out", does: "what may this be?" }],
  rest: "-- WORD…",
  options: {},
  hidden: true,
  async run(context) {
    const words = joined(context.rest);
    const current = words.at(-1) ?? "";
    const candidates = await candidatesFor(words.slice(0, -1), current, context);
    const lines = candidates.filter(({ text }) => text.startsWith(current))
      .map(({ text, means = "" }) => `${shownText(text)}\t${shownText(means)}\n`);
    context.io.stdout.write(lines.join(""));
    return EXIT.ok;
  },
});

/** Joins what bash takes apart: `--output`, `=`, `json`. */
function joined(words: readonly string[]): readonly string[] {
  return words.filter((word) => word !== "=");
}

async function candidatesFor(
  before: readonly string[],
  current: string,
  context: Context,
): Promise<readonly Candidate[]> {
  const [name, ...words] = before;
  if (name === undefined || name === "help") return commandsOf(context.commands);
  const command = context.commands.find((candidate) => candidate.name === name);
  // After "--" stands another program's command line.
  if (command === undefined || words.includes("--")) return [];
  const awaiting = optionNamed(command, words.at(-1));
  if (awaiting?.type === "string") return valuesOf(awaiting);
  if (current.startsWith("-")) return optionsOf(command);
  const place = words.filter((word, i) =>
    !word.startsWith("-") && optionNamed(command, words[i - 1])?.type !== "string"
  );
  const expected = command.args?.[place.length]?.complete;
  if (expected === "service") return await services(command, words, context);
  return (expected ?? []).map((text) => ({ text }));
}

function commandsOf(commands: readonly Command[]): readonly Candidate[] {
  return commands.filter(({ hidden }) => !hidden).map(({ name, summary }) => ({ text: name, means: summary }));
}

function optionsOf({ options }: Command): readonly Candidate[] {
  return [
    ...Object.entries(options).map(([name, { help }]) => ({ text: `--${name}`, means: help })),
    { text: "--help", means: "show what it does" },
  ];
}

/** The option that a word is, if it is one. */
function optionNamed({ options }: Command, word: string | undefined): OptionSpec | undefined {
  if (word?.startsWith("--")) return Object.hasOwn(options, word.slice(2)) ? options[word.slice(2)] : undefined;
  if (!word?.startsWith("-")) return undefined;
  return Object.values(options).find(({ short }) => short !== undefined && `-${short}` === word);
}

function valuesOf({ choices = [] }: OptionSpec): readonly Candidate[] {
  return choices.map((text) => ({ text }));
}

/** The services that are registered where the words, and the environment, say; none if that can't be found out. */
async function services(command: Command, words: readonly string[], context: Context): Promise<readonly Candidate[]> {
  try {
    const anyArgs = { ...command, args: [{ name: "WORD", optional: true, many: true }] } as const;
    const parsed = parseArguments(anyArgs, words, context.io.env);
    const target = etcdTarget({ ...context, ...parsed } as unknown as Context<typeof ETCD_OPTIONS>);
    const registry = target.registry();
    try {
      const listed = await registry.list(context.signal);
      return listed.filter(({ service }) => HARMLESS.test(service))
        .map(({ service, endpoints }) => ({ text: service, means: `${endpoints} endpoints` }));
    } finally {
      await registry.close();
    }
  } catch {
    return [];
  }
}
