import type { Command, OptionSpec } from "./command.ts";
import type { Style } from "./style.ts";
import { padToWidth, textWidth, wrapText } from "./text-width.ts";

/** The width of help where there is no terminal, and the most that is used of a wide one. */
const WIDTH = 80, MOST_WIDTH = 100;
/** The options that every command has. */
const HELP = { type: "boolean", short: "h", help: "show this" } as const;
/** What exit codes mean for every command. */
const EXIT_CODES: readonly string[] = [
  "0 success, 1 failure, 2 wrong usage, 3 nothing found, 4 unreachable, 130 interrupted",
];

/** How help is printed. */
export interface HelpFormat {
  readonly style: Style;
  /** The width of the terminal, if it is one. */
  readonly columns: number | undefined;
}

/** How a command is called, in one line. */
export function usageLine({ name, args = [], options, rest }: Command): string {
  const shown = args.map(({ name: arg, optional, many }) => {
    const repeated = many ? `${arg}…` : arg;
    return optional ? `[${repeated}]` : repeated;
  });
  const some = Object.keys(options).length > 0 ? ["[options]"] : [];
  return ["connect-lb", name, ...shown, ...some, ...(rest === undefined ? [] : [rest])].join(" ");
}

/** What stands for an option's value. */
export function valueName(name: string, { value = name.toUpperCase() }: OptionSpec): string {
  return value;
}

/** The help of a command: examples first. */
export function commandHelp(command: Command, format: HelpFormat): string {
  const { style } = format, width = widthOf(format);
  const { examples, description = [], options, exitCodes = [], serves } = command;
  const sections = [
    wrapText(`${capitalized(command.summary)}.`, width),
    [style("bold", "Examples"), ...examples.flatMap(({ line, does }) => example(line, does, format))],
    [style("bold", "Usage"), `  ${usageLine(command)}`],
    ...description.map((paragraph) => wrapText(paragraph, width)),
  ];
  for (const [group, specs] of grouped(options)) {
    const rows = specs.map(([name, spec]) => [optionText(name, spec), explained(spec)] as const);
    sections.push([style("bold", group), ...aligned(rows, width)]);
  }
  const codes = [...exitCodes, ...(serves ? ["0 after SIGTERM, which is how to stop it"] : []), ...EXIT_CODES];
  sections.push([style("bold", "Exit codes"), ...codes.flatMap((code) => indented(wrapText(code, width - 2)))]);
  return sections.map((lines) => `${lines.join("\n")}\n`).join("\n");
}

/** The help of the program: what its commands do. */
export function programHelp(commands: readonly Command[], format: HelpFormat): string {
  const { style } = format, width = widthOf(format);
  const shown = commands.filter(({ hidden }) => !hidden);
  const first = shown.flatMap(({ examples }) => examples.slice(0, 1));
  const sections = [
    wrapText("Looks at services that are registered in etcd, calls them, and registers servers.", width),
    [style("bold", "Examples"), ...first.flatMap(({ line, does }) => example(line, does, format))],
    [style("bold", "Commands"), ...aligned(shown.map(({ name, summary }) => [name, summary] as const), width)],
    [
      ...wrapText(
        "connect-lb COMMAND --help says more about one. CONNECT_LB_ETCD says where etcd is; etcdctl's variables " +
          "(ETCDCTL_ENDPOINTS, ETCDCTL_USER and so on) are understood, too.",
        width,
      ),
    ],
  ];
  return sections.map((lines) => `${lines.join("\n")}\n`).join("\n");
}

function widthOf({ columns = WIDTH }: HelpFormat): number {
  return Math.max(40, Math.min(columns, MOST_WIDTH));
}

function example(line: string, does: string, { style }: HelpFormat): string[] {
  return [`  ${style("dim", `# ${does}`)}`, `  connect-lb ${line}`];
}

/** The options under their headings; those of all commands come last under the first heading. */
function grouped(options: Command["options"]): Map<string, (readonly [name: string, spec: OptionSpec])[]> {
  const groups = new Map<string, (readonly [name: string, spec: OptionSpec])[]>([["Options", []]]);
  for (const [name, spec] of Object.entries(options)) {
    const { group = "Options" } = spec;
    const list = groups.get(group) ?? [];
    groups.set(group, [...list, [name, spec]]);
  }
  groups.get("Options")?.push(["help", HELP]);
  return groups;
}

function optionText(name: string, spec: OptionSpec): string {
  const short = spec.short === undefined ? "    " : `-${spec.short}, `;
  return `${short}--${name}${spec.type === "string" ? ` ${valueName(name, spec)}` : ""}`;
}

/** What an option means, with its values, its default and the variables that stand for it. */
function explained({ help, choices, default: value, env = [], multiple }: OptionSpec): string {
  const notes = [
    ...(choices === undefined || choices.every((choice) => help.includes(choice)) ? [] : [choices.join(", ")]),
    ...(multiple ? ["may be repeated"] : []),
    ...(value === undefined ? [] : [`default ${value}`]),
    ...(env.length === 0 ? [] : [`or ${env.join(", ")}`]),
  ];
  return notes.length === 0 ? help : `${help} (${notes.join("; ")})`;
}

/** Two columns, of which the second is wrapped. */
function aligned(rows: readonly (readonly [left: string, right: string])[], width: number): string[] {
  const left = Math.min(28, Math.max(...rows.map(([text]) => textWidth(text))));
  return rows.flatMap(([text, explanation]) => {
    const lines = wrapText(explanation, Math.max(20, width - left - 4));
    const rest = lines.map((line, i) => `  ${i === 0 ? padToWidth(text, left) : " ".repeat(left)}  ${line}`);
    if (textWidth(text) <= left) return rest;
    return [`  ${text}`, ...lines.map((line) => `  ${" ".repeat(left)}  ${line}`)];
  });
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
