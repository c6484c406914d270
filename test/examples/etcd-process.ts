// The etcd in memory of the examples as a process of its own, for tests of programs that share one.
import { type Child, startScript } from "../support/process.ts";

/** One that serves. */
export interface EtcdProcess {
  readonly url: string;
  readonly child: Child;
}

/** Starts it on a free port, or on the port of `url`. */
export async function startEtcdProcess(url?: string): Promise<EtcdProcess> {
  const port = url === undefined ? "0" : new URL(url).port;
  // Always on Node: these tests are not about this process.
  const child = startScript("node", "examples/etcd.ts", ["--port", port]);
  const [, serving] = await child.line(/(http:\/\/\S+)/);
  return { url: serving!, child };
}
