import process from "node:process";
import { parseArgs, type ParseArgsConfig } from "node:util";

/** What a command was given. */
type Given<T extends ParseArgsConfig> = ReturnType<typeof parseArgs<T>>;

/**
 * Parses a command's arguments. With `--help` it prints the help, and the command ends; what the command doesn't know
 * ends it with code 2 and a line that says what it takes.
 */
export function commandLine<const T extends ParseArgsConfig>(help: string, config: T): Given<T> {
  const options = { ...config.options, help: { type: "boolean" } } as const;
  let given: { readonly values: { readonly help?: boolean | undefined } };
  try {
    given = parseArgs({ ...config, options });
  } catch (error) {
    // The rest of the text says how to give an argument that looks like an option.
    const [what] = (error as Error).message.split(". ");
    return refuse(`${what}: expected ${optionsOf(options)}`);
  }
  if (given.values.help === true) {
    console.log(help.trim());
    process.exit(0);
  }
  return given as Given<T>;
}

/** The value of an option that is a number, or of an argument. */
export function numberOf(name: string, value: string): number {
  const number = value.trim() === "" ? NaN : Number(value);
  return number >= 0 ? number : refuse(`${name} is ${JSON.stringify(value)}: expected a number`);
}

/** Ends the command because of what it was given. */
function refuse(why: string): never {
  console.error(why);
  process.exit(2);
}

function optionsOf(options: NonNullable<ParseArgsConfig["options"]>): string {
  return Object.entries(options).map(([name, { type }]) => `--${name}${type === "string" ? " …" : ""}`).join(", ");
}
