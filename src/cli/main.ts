import { nearest } from "../option.ts";
import { shownText } from "../shown-text.ts";
import { asksForHelp, parseArguments } from "./arguments.ts";
import type { Command, Context } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { CliError, EXIT, exitCodeOf, Interrupted, usageError } from "./exit.ts";
import { commandHelp, type HelpFormat, programHelp } from "./help.ts";
import type { Io, Sink } from "./io.ts";
import { styleOf } from "./style.ts";
import { VERSION } from "./version.ts";

/**
 * Runs `connect-lb` with these arguments. Resolves to the exit code, and never rejects: data go to standard output,
 * errors and everything else to standard error.
 */
export async function main(
  args: readonly string[],
  io: Io,
  commands: readonly Command[] = COMMANDS,
): Promise<number> {
  const [name = "", ...rest] = args;
  try {
    const command = commands.find((candidate) => candidate.name === name);
    if (command === undefined) return answer(name, rest, io, commands);
    if (asksForHelp(rest)) {
      io.stdout.write(commandHelp(command, formatOf(io.stdout, io)));
      return EXIT.ok;
    }
    return await run(command, rest, io, commands);
  } catch (error) {
    return report(error, commands.some((command) => command.name === name) ? `connect-lb ${name}` : "connect-lb", io);
  }
}

/** Answers what names no command. @throws CliError if it was to be one. */
function answer(name: string, rest: readonly string[], io: Io, commands: readonly Command[]): number {
  if (name === "") {
    io.stderr.write(programHelp(commands, formatOf(io.stderr, io)));
    return EXIT.usage;
  }
  if (name === "--version" || name === "-V" || name === "version") {
    io.stdout.write(`connect-lb ${VERSION}\n`);
    return EXIT.ok;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    const command = rest[0] === undefined ? undefined : commandNamed(rest[0], commands);
    const format = formatOf(io.stdout, io);
    io.stdout.write(command === undefined ? programHelp(commands, format) : commandHelp(command, format));
    return EXIT.ok;
  }
  commandNamed(name, commands);
  return EXIT.usage;
}

function commandNamed(name: string, commands: readonly Command[]): Command {
  const command = commands.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const names = commands.filter(({ hidden }) => !hidden).map((candidate) => candidate.name);
  if (name.startsWith("-")) {
    throw usageError(`the command comes first, then ${name}`, "for example: connect-lb ls --endpoints URL");
  }
  const near = nearest(name, names);
  throw usageError(
    `there is no command ${JSON.stringify(name)}`,
    near === undefined ? `there are ${names.join(", ")}` : `did you mean ${near}?`,
  );
}

async function run(command: Command, args: readonly string[], io: Io, commands: readonly Command[]): Promise<number> {
  const parsed = parseArguments(command, args, io.env);
  const interruption = new AbortController();
  const forget = command.ownSignals ? undefined : io.onSignal((name) => {
    // A second one, then, ends the process.
    forget?.();
    interruption.abort(new Interrupted(name));
  });
  const context: Context = {
    ...parsed,
    options: parsed.options as Context["options"],
    io,
    signal: interruption.signal,
    commands,
    say: (text) => io.stderr.write(`connect-lb: ${shownText(oneLine(text), MOST_SAID)}\n`),
  };
  try {
    const code = await command.run(context);
    return interruption.signal.aborted ? interruptedCode(command, interruption.signal) : code;
  } catch (error) {
    if (interruption.signal.aborted) return interruptedCode(command, interruption.signal);
    throw error;
  } finally {
    forget?.();
  }
}

/** The most characters of one line of talk: an error may list every server. */
const MOST_SAID = 1_000;

/** Messages of runtimes may have several lines. */
function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, "; ");
}

function interruptedCode({ serves }: Command, { reason }: AbortSignal): number {
  const { signal } = reason as Interrupted;
  return serves && signal === "SIGTERM" ? EXIT.ok : exitCodeOf(signal);
}

/** Prints an error, and what to do about it. Returns the exit code. */
function report(error: unknown, program: string, io: Io): number {
  const style = styleOf(io.stderr, io);
  const message = error instanceof Error ? error.message : String(error);
  const lines = [`${style("bad", `${program}:`)} ${shownText(oneLine(message), MOST_SAID)}`];
  if (error instanceof CliError) lines.push(...error.next.map((line) => `  ${shownText(line, MOST_SAID)}`));
  io.stderr.write(`${lines.join("\n")}\n`);
  return error instanceof CliError ? error.exitCode : EXIT.failed;
}

function formatOf(sink: Sink, io: Io): HelpFormat {
  return { style: styleOf(sink, io), columns: sink.columns };
}
