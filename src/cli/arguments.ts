import { parseArgs } from "node:util";
import { nearest } from "../option.ts";
import type { Argument, Command, OptionSpec } from "./command.ts";
import { usageError } from "./exit.ts";
import { usageLine, valueName } from "./help.ts";

/** A command's arguments, checked as far as that is possible without knowing the command. */
export interface ParsedArguments {
  readonly options: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly sources: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly rest: readonly string[];
}

/** An option as it was given. */
interface Given {
  readonly name: string;
  /** As the user spelled it: `-o`. */
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

/** Whether arguments ask for the command's help. */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? undefined : end).some((arg) => arg === "--help" || arg === "-h");
}

/**
 * Parses what follows a command's name. What is not given comes from the option's environment variables, then from its
 * default.
 *
 * @throws CliError with the exit code for usage.
 */
export function parseArguments(
  command: Command,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ParsedArguments {
  // Not strict: its errors don't say what may have been meant.
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(command.options).map(([name, { type, short, multiple }]) => {
        return [name, { type, ...(short === undefined ? {} : { short }), multiple: multiple === true }];
      }),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const options: Record<string, string | boolean | readonly string[] | undefined> = {};
  const sources: Record<string, string> = {};
  const positionals: string[] = [], rest: string[] = [];
  let ended = false;
  for (const token of tokens) {
    if (token.kind === "option-terminator") ended = true;
    else if (token.kind === "positional") (ended ? rest : positionals).push(token.value);
    else {
      const spec = specOf(command, token);
      const value = valueOf(spec, token);
      options[token.name] = spec.multiple ? [...(options[token.name] ?? []) as string[], value as string] : value;
      sources[token.name] = token.rawName;
    }
  }
  for (const [name, spec] of Object.entries(command.options)) {
    if (options[name] === undefined) fromEnvironment(name, spec, env, options, sources);
  }
  checkCount(command, positionals, rest);
  return { options, sources, args: positionals, rest };
}

function specOf(command: Command, { name, rawName }: Given): OptionSpec {
  const spec = Object.hasOwn(command.options, name) ? command.options[name] : undefined;
  if (spec !== undefined) return spec;
  const near = rawName.startsWith("--") ? nearest(name, Object.keys(command.options)) : undefined;
  const hint = near === undefined ? `connect-lb ${command.name} --help lists its options` : `did you mean --${near}?`;
  throw usageError(`there is no option ${rawName}`, hint);
}

function valueOf(spec: OptionSpec, { name, rawName, value, inlineValue }: Given): string | true {
  if (spec.type === "boolean") {
    if (value !== undefined) throw usageError(`${rawName} takes no value`, `give ${rawName} alone, or leave it out`);
    return true;
  }
  if (value === undefined) throw usageError(`${rawName} needs a value: ${rawName} ${valueName(name, spec)}`);
  if (!inlineValue && value.length > 1 && value.startsWith("-")) {
    throw usageError(
      `${rawName} needs a value, and ${JSON.stringify(value)} looks like an option`,
      `if it is the value: --${name}=${value}`,
    );
  }
  return chosen(rawName, spec, value);
}

function chosen(from: string, { choices }: OptionSpec, value: string): string {
  if (choices === undefined) return value;
  const choice = choices.find((candidate) => candidate.toLowerCase() === value.toLowerCase());
  if (choice !== undefined) return choice;
  const near = nearest(value, choices);
  throw usageError(
    `${from} is ${JSON.stringify(value)}: expected ${choices.join(", ")}`,
    ...(near === undefined ? [] : [`did you mean ${near}?`]),
  );
}

function fromEnvironment(
  name: string,
  spec: OptionSpec,
  env: Readonly<Record<string, string | undefined>>,
  options: Record<string, string | boolean | readonly string[] | undefined>,
  sources: Record<string, string>,
): void {
  // As in a shell, an empty variable is as good as none.
  const variable = spec.env?.find((candidate) => env[candidate] !== undefined && env[candidate] !== "");
  const value = variable === undefined ? undefined : env[variable];
  if (variable === undefined || value === undefined) {
    options[name] = spec.type === "boolean" ? false : spec.multiple ? [] : spec.default;
    return;
  }
  sources[name] = variable;
  if (spec.type === "boolean") options[name] = !/^(0|false|no|off)$/i.test(value);
  else options[name] = spec.multiple ? [value] : chosen(variable, spec, value);
}

function checkCount(command: Command, args: readonly string[], rest: readonly string[]): void {
  const expected: readonly Argument[] = command.args ?? [];
  const missing = expected.slice(args.length).find(({ optional }) => !optional);
  if (missing !== undefined) throw usageError(`${missing.name} is missing`, `usage: ${usageLine(command)}`);
  if (args.length > expected.length && !expected.at(-1)?.many) {
    const extra = JSON.stringify(args[expected.length]);
    throw usageError(
      `unexpected argument ${extra}`,
      command.rest === undefined
        ? `usage: ${usageLine(command)}`
        : `put "--" before the command: ${usageLine(command)}`,
    );
  }
  if (rest.length > 0 && command.rest === undefined) {
    throw usageError(`it takes nothing after "--"`, `usage: ${usageLine(command)}`);
  }
}
