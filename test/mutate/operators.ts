// The faults that `npm run mutate` puts into the code: one small change each, as a tired programmer makes them. Types are
// blanked out in place before parsing, so that every position is one of the source file.
import { type AnyNode, parse } from "acorn";
import { fullAncestor } from "acorn-walk";
import { stripTypeScriptTypes } from "node:module";

/** One fault: `text` replaces the characters from `start` to `end` of a source file. */
export interface Mutant {
  readonly operator: string;
  /** Where the code begins that has to run for the fault to have an effect. */
  readonly reach: number;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const SWAPPED: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "&&": "||",
  "||": "&&",
  "+=": "-=",
  "-=": "+=",
  "++": "--",
  "--": "++",
};

/** All mutants of a TypeScript source, in the order of their positions. */
export function mutantsOf(source: string): readonly Mutant[] {
  const code = stripTypeScriptTypes(source);
  const program = parse(code, { ecmaVersion: "latest", sourceType: "module" });
  const mutants: Mutant[] = [];
  fullAncestor(program, (node, _state, ancestors) => {
    for (const mutant of mutate(node as AnyNode, ancestors.at(-2) as AnyNode | undefined, code)) mutants.push(mutant);
  });
  // Two operators may make the same change, such as a condition that is a literal.
  const seen = new Set<string>();
  return mutants.filter(({ start, end, text }) => {
    const key = `${start} ${end} ${text}`;
    return source.slice(start, end) !== text && !seen.has(key) && seen.add(key);
  }).sort((a, b) => a.start - b.start || a.end - b.end);
}

function* mutate(node: AnyNode, parent: AnyNode | undefined, code: string): Generator<Mutant> {
  const { start: reach } = node;
  const whole = (operator: string, { start, end }: AnyNode, text: string): Mutant => ({
    operator,
    reach,
    start,
    end,
    text,
  });
  switch (node.type) {
    case "BinaryExpression":
    case "LogicalExpression":
    case "AssignmentExpression": {
      const swapped = SWAPPED[node.operator];
      if (node.operator === "??") yield { ...whole("no-default", node, ""), start: node.left.end };
      if (swapped === undefined || isText(node.left) || isText(node.right)) break;
      const start = code.indexOf(node.operator, node.left.end);
      yield { operator: "swap-operator", reach, start, end: start + node.operator.length, text: swapped };
      break;
    }
    case "UpdateExpression": {
      const start = node.prefix ? node.start : node.end - 2;
      yield { operator: "swap-operator", reach, start, end: start + 2, text: SWAPPED[node.operator]! };
      break;
    }
    case "UnaryExpression":
      if (node.operator === "!") {
        yield { operator: "no-negation", reach, start: node.start, end: node.start + 1, text: "" };
      }
      break;
    case "IfStatement":
    case "ConditionalExpression":
      yield whole("always", node.test, "true");
      yield whole("never", node.test, "false");
      break;
    case "WhileStatement":
      if (node.test.type !== "Literal") yield whole("never", node.test, "false");
      break;
    case "ExpressionStatement":
      // Without super() no object is made at all, which every test sees.
      if (node.expression.type === "CallExpression" && node.expression.callee.type === "Super") break;
      yield whole("no-statement", node, ";");
      break;
    case "ReturnStatement":
      if (node.argument != null) yield whole("no-result", node.argument, "undefined");
      break;
    case "ThrowStatement":
      yield whole("no-throw", node, ";");
      break;
    case "ContinueStatement":
    case "BreakStatement":
      if (parent?.type !== "SwitchCase") yield whole("no-jump", node, ";");
      break;
    case "Literal":
      if (typeof node.value === "boolean") yield whole("other-literal", node, String(!node.value));
      if (typeof node.value === "number") yield whole("other-literal", node, String(node.value + 1));
      break;
  }
}

/** Texts of messages are put together with `+`; arithmetic on them says nothing. */
function isText(node: AnyNode): boolean {
  return node.type === "TemplateLiteral" || (node.type === "Literal" && typeof node.value === "string");
}
