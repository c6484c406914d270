import { ErrorCode } from "../../../support/raw-http2/frame.ts";
import { FrameType } from "../../../support/raw-http2/frame.ts";
import type { RawClient } from "../../../support/raw-http2/client.ts";
import { envelope } from "../../../support/raw-http2/session.ts";
import { BIDI, head, message, type Request, send, SERVER_STREAM } from "../request.ts";

const timeout = (name: string, value: string, options?: "limited"): Request => ({
  name: `a timeout ${name}`,
  ...(options && { options }),
  play: send({ headers: [["grpc-timeout", value]], texts: ["context"] }),
});

/** A call that is reset while its handler waits; the answer says what the handler was told. */
const reset = (name: string, code: number): Request => ({
  name: `a handler learns of a reset with ${name}`,
  play: async (client) => {
    const waiting = send({ texts: [`wait ${name}`] })(client);
    await handled(client);
    client.rst(waiting, code);
    return await told(client, name);
  },
});

/** Waits until the server must have read all that was sent so far. */
async function handled(client: RawClient): Promise<void> {
  await client.reply(send({})(client));
}

/** Asks how a call ended until it has. */
async function told(client: RawClient, name: string): Promise<number> {
  for (let tries = 0;; tries++) {
    const id = send({ texts: [`aborted ${name}`] })(client);
    const { body } = await client.reply(id);
    if (tries === 50 || !new TextDecoder().decode(body).includes("not aborted")) return id;
  }
}

/** Deadlines, and calls that are given up. */
export const DEADLINES: readonly Request[] = [
  timeout("of an hour", "1H"),
  timeout("of 10 minutes", "10M"),
  timeout("of 100 seconds", "100S"),
  timeout("in milliseconds", "300000m"),
  timeout("in microseconds", "99999999u"),
  timeout("of eight digits", "99999999S"),
  timeout("of nine digits", "999999999S"),
  timeout("without a unit", "10"),
  timeout("without a number", "S"),
  timeout("with a unit that there is not", "10s"),
  timeout("with a sign", "-1S"),
  timeout("with a space", "1 S"),
  timeout("of zeros before the number", "00000010S"),
  timeout("that is empty", ""),
  timeout("that is longer than is allowed", "2M", "limited"),
  timeout("that is as long as is allowed", "60S", "limited"),
  { name: "a deadline that passes", play: send({ headers: [["grpc-timeout", "20m"]], texts: ["wait deadline"] }) },
  {
    name: "a deadline that passes after messages",
    play: send({ path: SERVER_STREAM, headers: [["grpc-timeout", "100m"]], texts: ["2 wait stream"] }),
  },
  {
    name: "a deadline that passes while messages are awaited",
    play: async (client) => {
      const id = client.nextId();
      client.headers(id, head(BIDI, [["grpc-timeout", "20m"]]));
      client.data(id, envelope(message("a")));
      await client.read(({ type, streamId }) => type === FrameType.data && streamId === id);
      return id;
    },
  },
  { name: "a timeout of nothing", play: send({ headers: [["grpc-timeout", "0S"]], texts: ["wait zero"] }) },
  {
    name: "a handler learns of its deadline",
    play: async (client) => {
      await client.reply(send({ headers: [["grpc-timeout", "20m"]], texts: ["wait told"] })(client));
      return await told(client, "told");
    },
  },
  reset("CANCEL", ErrorCode.cancel),
  reset("NO_ERROR", ErrorCode.noError),
  reset("INTERNAL_ERROR", ErrorCode.internalError),
  reset("REFUSED_STREAM", ErrorCode.refusedStream),
  reset("ENHANCE_YOUR_CALM", ErrorCode.enhanceYourCalm),
  {
    name: "a call that is reset before its message, and then another call",
    play: (client) => {
      const id = client.nextId();
      client.headers(id, head());
      client.rst(id, ErrorCode.cancel);
      return send({})(client);
    },
  },
];
