// The processes that try faults: so many at a time, each for a number of faults, and ended early when one has left it unfit
// for others.
import { type ChildProcess, fork } from "node:child_process";
import process from "node:process";
import { pathToFileURL } from "node:url";
import type { Answer, Job, Survey, SurveyJob, TryJob, Verdict } from "./job.ts";

/** Each fault leaves its modules behind: a process grows with them. */
const FAULTS_PER_PROCESS = 60;
/** A process that says nothing for so long is in an endless loop. */
const SILENCE_MS = 20_000;
/** What optimized code reaches is not counted. */
const UNOPTIMIZED = ["--no-opt", "--no-maglev"];
/** On a busy machine a test may fail because of that. */
const SURVEYS = 3;

class Runner {
  readonly #child: ChildProcess;
  /** How many jobs it was given. */
  jobs = 0;
  ended = false;

  constructor(execArgv: readonly string[] = []) {
    // Programs that tests start get the fault, too.
    const hook = `--import=${pathToFileURL("test/mutate/hook.ts").href}`;
    const env = { ...process.env, NODE_OPTIONS: `--no-warnings --max-old-space-size=1500 ${hook}` };
    this.#child = fork("test/mutate/process.ts", {
      env,
      execArgv: [...execArgv],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      serialization: "advanced",
      // A group of its own, so that what tests started ends with them.
      detached: true,
    });
    this.#child.on("error", () => {});
  }

  /** Resolves with undefined when the process ends without an answer, and with "silent" when it hangs. */
  ask(job: Job): Promise<Exclude<Answer, { type: "alive" }> | "silent" | undefined> {
    this.jobs++;
    return new Promise((resolve) => {
      const child = this.#child;
      const settle = (value: Exclude<Answer, { type: "alive" }> | "silent" | undefined) => {
        clearTimeout(timer);
        child.off("message", onMessage).off("close", onClose);
        resolve(value);
      };
      const silent = () => {
        this.end();
        settle("silent");
      };
      let timer = setTimeout(silent, SILENCE_MS);
      const onMessage = (answer: Answer) => {
        clearTimeout(timer);
        if (answer.type !== "alive") return settle(answer);
        timer = setTimeout(silent, SILENCE_MS);
      };
      const onClose = () => {
        this.end();
        settle(undefined);
      };
      child.on("message", onMessage).on("close", onClose);
      child.send(job);
    });
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    try {
      process.kill(-this.#child.pid!, "SIGKILL");
    } catch {
      // It is gone.
    }
  }
}

const running = new Set<Runner>();
process.on("exit", () => {
  for (const runner of running) runner.end();
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

/** What each test of a file takes and reaches. */
export async function survey(job: SurveyJob, tries: number = SURVEYS): Promise<Survey> {
  const runner = new Runner(UNOPTIMIZED);
  running.add(runner);
  try {
    const answer = await runner.ask(job);
    if (answer !== undefined && answer !== "silent" && answer.type === "survey") return answer;
    if (tries === 1) throw new Error(`${job.file} fails without any fault`);
    return await survey(job, tries - 1);
  } finally {
    runner.end();
    running.delete(runner);
  }
}

/** Tries one fault after another, in processes that it starts and ends. */
export class Worker {
  #runner: Runner | undefined;

  async try(job: TryJob): Promise<Verdict> {
    const runner = this.#runner?.ended === false ? this.#runner : this.#start();
    const verdict = outcome(await runner.ask(job));
    const first = runner.jobs === 1;
    if (verdict.timedOut || verdict.stray || runner.jobs >= FAULTS_PER_PROCESS) this.end();
    // It may come from an earlier fault: only a process of its own tells.
    return verdict.stray && !first ? await this.try(job) : verdict;
  }

  end(): void {
    this.#runner?.end();
    if (this.#runner !== undefined) running.delete(this.#runner);
    this.#runner = undefined;
  }

  #start(): Runner {
    this.end();
    this.#runner = new Runner();
    running.add(this.#runner);
    return this.#runner;
  }
}

function outcome(answer: Exclude<Answer, { type: "alive" }> | "silent" | undefined): Verdict {
  if (answer === "silent") return { type: "verdict", noticed: "endless loop", timedOut: true, stray: false };
  if (answer === undefined) return { type: "verdict", noticed: "the process ends", timedOut: false, stray: true };
  if (answer.type !== "verdict") throw new Error("an answer to another question");
  return answer;
}
