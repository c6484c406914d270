import type { Io } from "./io.ts";

/**
 * An option of a command, spelled `--name VALUE`, or `--name` if it is a boolean.
 *
 * Values are text; `values.ts` reads numbers, durations and addresses from them.
 */
export interface OptionSpec {
  readonly type: "string" | "boolean";
  /** What it means, for the help: a phrase without a full stop. */
  readonly help: string;
  /** One letter, for `-o`. */
  readonly short?: string;
  /** What stands for its value in the help. Defaults to its name in capitals. */
  readonly value?: string;
  /** Whether it may be given several times. */
  readonly multiple?: true;
  /** The values that it takes, compared without regard to case. */
  readonly choices?: readonly string[];
  /** The value if it is not given. */
  readonly default?: string;
  /** The environment variables that are read, in this order, if it is not given. */
  readonly env?: readonly string[];
  /** The heading under which the help lists it. Defaults to "Options". */
  readonly group?: string;
  /** What completion offers as its value, besides `choices`. Defaults to nothing. */
  readonly complete?: "file";
}

/** The options of a command by name. */
export type Options = Readonly<Record<string, OptionSpec>>;

type ValueOf<Spec extends OptionSpec> = Spec extends { readonly type: "boolean" } ? boolean
  : Spec extends { readonly multiple: true } ? readonly string[]
  : Spec extends { readonly default: string } ? string
  : string | undefined;

/** The values of options: those that were given, and the defaults. */
export type Values<O extends Options> = { readonly [Name in keyof O]: ValueOf<O[Name]> };

/** An argument that has its place instead of a name. */
export interface Argument {
  /** In capitals: `SERVICE`. */
  readonly name: string;
  readonly optional?: true;
  /** Whether it may be repeated; for the last one. */
  readonly many?: true;
  /** What completion offers for it. Defaults to nothing. */
  readonly complete?: "service" | readonly string[];
}

/** A command line that shows what a command is for. */
export interface Example {
  /** Without `connect-lb`. */
  readonly line: string;
  /** What it does: a phrase without a full stop. */
  readonly does: string;
}

/** What a command gets to run with. */
export interface Context<O extends Options = Options> {
  readonly io: Io;
  readonly options: Values<O>;
  /** Where an option's value is from: `--endpoints`, or a variable's name; undefined for defaults. */
  readonly sources: { readonly [Name in keyof O]?: string };
  readonly args: readonly string[];
  /** What stands after `--`. */
  readonly rest: readonly string[];
  /**
   * Aborts, with an `Interrupted`, on SIGINT, SIGTERM and SIGHUP, and when nobody reads the output any more. A command
   * then cleans up and returns or throws, whatever it likes; the exit code is that of the signal. A second signal ends
   * the process at once.
   */
  readonly signal: AbortSignal;
  /** All commands, for help and completion. */
  readonly commands: readonly Command[];
  /** Says something on standard error, as one line with the program's name. The text is escaped. */
  say(text: string): void;
}

/** A command, as its file defines it. */
export interface CommandDefinition<O extends Options> {
  readonly name: string;
  /** What it does, in the list of commands: a phrase without a full stop. */
  readonly summary: string;
  /** Shown first in its help. */
  readonly examples: readonly Example[];
  /** What else the help says, in paragraphs. */
  readonly description?: readonly string[];
  readonly args?: readonly Argument[];
  /** What stands after `--` in the usage, if it takes that. */
  readonly rest?: string;
  readonly options: O;
  /** What its exit codes mean where they differ from everybody's. */
  readonly exitCodes?: readonly string[];
  /** Whether it handles signals itself, by `io.onSignal`. Defaults to false: its `signal` aborts. */
  readonly ownSignals?: true;
  /** Whether it serves until it is stopped, which SIGTERM is the way to do: its exit code is 0 then. */
  readonly serves?: true;
  /** Left out of the list of commands. */
  readonly hidden?: true;
  /** Does it, and returns the exit code. Throws CliError with a message for the user. */
  run(context: Context<O>): Promise<number>;
}

/** A command whose options are not known by their types. */
export type Command = CommandDefinition<Options>;

/** Defines a command. Its file exports it; `commands.ts` lists it. */
export function defineCommand<const O extends Options>(definition: CommandDefinition<O>): Command {
  return definition as unknown as Command;
}
