// Calls of the four kinds, from inside a worker.
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";

/** What came of them. */
export interface Report {
  readonly unary: number;
  readonly serverStream: number;
  readonly clientStream: string;
  readonly bidi: readonly string[];
  readonly failure: string;
}

async function* texts() {
  for (let i = 0; i < 100; i++) yield { data: "x".repeat(100) };
}

async function* turns() {
  yield { data: "a" };
  yield { data: "b" };
}

/** Makes this many unary calls, then one of each other kind, and one that the server refuses. */
export async function callFourKinds(transport: Transport, calls: number): Promise<Report> {
  const client = createClient(Simple, transport);
  let unary = 0, serverStream = 0;
  for (let i = 0; i < calls; i++) {
    if ((await client.route({ data: `call ${i}` })).value === `call ${i}`) unary++;
  }
  for await (const { value } of client.routeServerStream({ data: "1000:100" })) serverStream += value.length;
  const { value: clientStream } = await client.routeClientStream(texts());
  const bidi: string[] = [];
  for await (const { value } of client.routeBidiStream(turns())) bidi.push(value);
  const failure = await client.route({ data: "fail" }).then(() => "none", (error) => {
    const { code, rawMessage } = ConnectError.from(error);
    return `${Code[code]} ${rawMessage}`;
  });
  return { unary, serverStream, clientStream, bidi, failure };
}

/** How each of six calls, one after another, ended: `answered`, or the error's code and text. */
export async function callSix(transport: Transport): Promise<string[]> {
  const client = createClient(Simple, transport);
  const ends: string[] = [];
  for (let i = 0; i < 6; i++) {
    const call = client.route({ data: `call ${i}` }, { timeoutMs: 20_000 });
    ends.push(
      await call.then(() => "answered", (error) => {
        const { code, rawMessage } = ConnectError.from(error);
        return `${Code[code]}: ${rawMessage}`;
      }),
    );
  }
  return ends;
}
