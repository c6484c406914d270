import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Command, defineCommand } from "../../src/cli/command.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { CliError } from "../../src/cli/exit.ts";
import { VERSION } from "../../src/cli/version.ts";
import { root } from "../support/process.ts";
import { run, start } from "./support.ts";

/** A command that prints what it got. */
const echo = defineCommand({
  name: "echo",
  summary: "print what it got",
  examples: [{ line: "echo THING", does: "say it" }],
  args: [{ name: "THING" }, { name: "OTHER", optional: true }],
  rest: "[-- WORD…]",
  options: {
    times: { type: "string", short: "t", value: "NUMBER", help: "how often", default: "1", env: ["ECHO_TIMES"] },
    loud: { type: "boolean", help: "in capitals", env: ["ECHO_LOUD"] },
    to: { type: "string", multiple: true, help: "whom to" },
    kind: { type: "string", help: "which kind", choices: ["soft", "hard"] },
    file: { type: "string", help: "a file" },
  },
  run({ io, options, sources, args, rest }) {
    io.stdout.write(JSON.stringify({ options, sources, args, rest }));
    return Promise.resolve(0);
  },
});

const waiting = (serves?: true): Command =>
  defineCommand({
    name: "wait",
    summary: "wait",
    examples: [],
    options: {},
    ...(serves ? { serves } : {}),
    async run({ signal }) {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      return 0;
    },
  });

const echoed = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const { code, stdout, stderr } = await run(["echo", ...args], { commands: [echo], env });
  assert.equal(stderr, "");
  assert.equal(code, 0);
  return JSON.parse(stdout) as {
    options: Record<string, unknown>;
    sources: Record<string, string>;
    args: string[];
    rest: string[];
  };
};

/** What a wrong command line is answered with. */
const refused = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const { code, stdout, stderr } = await run(args, { commands: [echo, waiting()], env });
  assert.equal(stdout, "", "nothing but data goes to standard output");
  assert.equal(code, 2);
  return stderr;
};

describe("the arguments of a command", () => {
  it("are options anywhere, arguments in order, and what stands after --", async () => {
    const { options, args, rest, sources } = await echoed(["-t", "2", "thing", "--loud", "--", "ls", "--times", "9"]);
    assert.deepEqual([options["times"], options["loud"]], ["2", true]);
    assert.deepEqual(args, ["thing"]);
    assert.deepEqual(rest, ["ls", "--times", "9"]);
    assert.deepEqual(sources, { times: "-t", loud: "--loud" });
  });

  it("take values after = or a space, repeated ones in order", async () => {
    const { options } = await echoed(["x", "--times=3", "--to", "a", "--to=b", "--file=-"]);
    assert.deepEqual([options["times"], options["to"], options["file"]], ["3", ["a", "b"], "-"]);
  });

  it("have defaults, and variables that stand for them, of which empty ones count as unset", async () => {
    assert.deepEqual((await echoed(["x"])).options, { times: "1", loud: false, to: [] });
    const { options, sources } = await echoed(["x"], { ECHO_TIMES: "4", ECHO_LOUD: "true" });
    assert.deepEqual([options["times"], options["loud"]], ["4", true]);
    assert.deepEqual(sources, { times: "ECHO_TIMES", loud: "ECHO_LOUD" });
    assert.equal((await echoed(["x"], { ECHO_TIMES: "" })).options["times"], "1");
    assert.equal((await echoed(["x"], { ECHO_LOUD: "false" })).options["loud"], false);
    assert.equal((await echoed(["x", "-t", "5"], { ECHO_TIMES: "4" })).options["times"], "5");
  });

  it("are compared with choices without regard to case", async () => {
    assert.equal((await echoed(["x", "--kind", "HARD"])).options["kind"], "hard");
    assert.match(
      await refused(["echo", "x", "--kind", "sofft"]),
      /--kind is "sofft": expected soft, hard\n {2}did you mean soft\?/,
    );
  });

  it("are refused with what was probably meant", async () => {
    assert.match(await refused(["echo", "x", "--tims", "3"]), /no option --tims\n {2}did you mean --times\?/);
    assert.match(await refused(["echo", "x", "-z"]), /no option -z\n {2}connect-lb echo --help/);
    assert.match(await refused(["ecko", "x"]), /no command "ecko"\n {2}did you mean echo\?/);
    assert.match(await refused(["--times", "3", "echo"]), /the command comes first, then --times/);
    assert.match(await refused(["echo"]), /THING is missing\n {2}usage: connect-lb echo THING \[OTHER\] \[options\]/);
    assert.match(await refused(["echo", "a", "b", "c"]), /unexpected argument "c"\n {2}put "--" before the command/);
    assert.match(await refused(["wait", "--", "ls"]), /takes nothing after "--"/);
  });

  it("are refused if a value is missing or too many", async () => {
    assert.match(await refused(["echo", "x", "--times"]), /--times needs a value: --times NUMBER/);
    assert.match(
      await refused(["echo", "x", "--times", "--loud"]),
      /looks like an option\n {2}if it is the value: --times=--loud/,
    );
    assert.match(await refused(["echo", "x", "--loud=1"]), /--loud takes no value/);
  });

  it("that hold control characters are shown escaped", async () => {
    const stderr = await refused(["echo", "x", "--\u001b[31mred"]);
    assert.ok(!stderr.includes("\u001b"), stderr);
    assert.match(stderr, /\\u001b/);
  });
});

describe("the help", () => {
  it("of each command begins with examples, and names each option", async () => {
    for (const command of COMMANDS) {
      const { code, stdout, stderr } = await run([command.name, "--help"]);
      assert.deepEqual([code, stderr], [0, ""]);
      const [, second = ""] = stdout.split("\n\n");
      assert.match(second, /^Examples\n {2}# /, command.name);
      for (const name of Object.keys(command.options)) assert.ok(stdout.includes(`--${name}`), name);
      for (const line of stdout.split("\n")) {
        assert.ok(line.length <= 80 || line.startsWith("  connect-lb "), `${command.name}: ${line}`);
      }
      assert.equal((await run(["help", command.name])).stdout, stdout);
    }
  });

  it("shows what an option stands for", async () => {
    const { stdout } = await run(["echo", "--help"], { commands: [echo] });
    assert.equal(
      stdout,
      `\
Print what it got.

Examples
  # say it
  connect-lb echo THING

Usage
  connect-lb echo THING [OTHER] [options] [-- WORD…]

Options
  -t, --times NUMBER  how often (default 1; or ECHO_TIMES)
      --loud          in capitals (or ECHO_LOUD)
      --to TO         whom to (may be repeated)
      --kind KIND     which kind (soft, hard)
      --file FILE     a file
  -h, --help          show this

Exit codes
  0 success, 1 failure, 2 wrong usage, 3 nothing found, 4 unreachable, 130
  interrupted
`,
    );
  });

  it("of the program lists the commands, on standard output if it was asked for", async () => {
    const asked = await run(["--help"]);
    assert.equal(asked.code, 0);
    for (const { name, summary, hidden } of COMMANDS) {
      if (!hidden) assert.ok(asked.stdout.replaceAll(/\s+/g, " ").includes(`${name} ${summary}`), name);
    }
    const unasked = await run([]);
    assert.deepEqual([unasked.code, unasked.stdout, unasked.stderr], [2, "", asked.stdout]);
  });

  it("after -- is the called program's own", async () => {
    assert.deepEqual((await echoed(["x", "--", "ls", "--help"])).rest, ["ls", "--help"]);
  });
});

describe("the program", () => {
  it("says its version, which is the package's", async () => {
    assert.equal((await run(["--version"])).stdout, `connect-lb ${VERSION}\n`);
    for (const file of ["package.json", "deno.json"]) {
      const { version } = JSON.parse(readFileSync(join(root, file), "utf8")) as { version: string };
      assert.equal(version, VERSION, file);
    }
  });

  it("prints what failed, and what to do, with the error's exit code", async () => {
    const failing = (error: unknown): Command =>
      defineCommand({ name: "fail", summary: "", examples: [], options: {}, run: () => Promise.reject(error) });
    const ended = (error: unknown) => run(["fail"], { commands: [failing(error)] });
    assert.deepEqual(await ended(new CliError("no etcd", { exitCode: 4, next: ["start one", "or don't"] })), {
      code: 4,
      stdout: "",
      stderr: "connect-lb fail: no etcd\n  start one\n  or don't\n",
    });
    assert.deepEqual(await ended(new Error("broken")), { code: 1, stdout: "", stderr: "connect-lb fail: broken\n" });
  });

  it("ends with the signal's exit code", async () => {
    for (const [name, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129], ["SIGPIPE", 0]] as const) {
      const running = start(["wait"], { commands: [waiting()] });
      running.signal(name);
      assert.equal(await running.exited, code, name);
      assert.equal(running.stderr, "");
    }
  });

  it("that serves ends with 0 on SIGTERM", async () => {
    for (const [name, code] of [["SIGINT", 130], ["SIGTERM", 0]] as const) {
      const running = start(["wait"], { commands: [waiting(true)] });
      running.signal(name);
      assert.equal(await running.exited, code, name);
    }
  });

  it("has colours on a terminal only, unless told otherwise", async () => {
    const painted = async (env: Record<string, string>, columns?: number) => {
      const options = columns === undefined ? { env } : { env, columns };
      return (await run(["--help"], options)).stdout.includes("\u001b[");
    };
    assert.equal(await painted({}, 80), true);
    assert.equal(await painted({}), false);
    assert.equal(await painted({ NO_COLOR: "1" }, 80), false);
    assert.equal(await painted({ NO_COLOR: "" }, 80), true);
    assert.equal(await painted({ TERM: "dumb" }, 80), false);
    assert.equal(await painted({ FORCE_COLOR: "1" }), true);
    assert.equal(await painted({ FORCE_COLOR: "0" }, 80), false);
    assert.equal(await painted({ FORCE_COLOR: "1", NO_COLOR: "1" }, 80), false);
  });
});
