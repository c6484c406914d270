import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { connectRaw } from "../../support/raw-http2/client.ts";
import { type Child, startScript } from "../../support/process.ts";
import { DIFFERENCES } from "./differences.ts";
import { type Ours, serveOurs } from "./ours.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import type { Request } from "./request.ts";
import { COMPRESSION } from "./requests/compression.ts";
import { DEADLINES } from "./requests/deadlines.ts";
import { ERRORS } from "./requests/errors.ts";
import { FRAMING } from "./requests/framing.ts";
import { HTTP } from "./requests/http.ts";
import { HTTP2 } from "./requests/http2.ts";
import { METADATA } from "./requests/metadata.ts";
import { USUAL } from "./requests/usual.ts";
import type { OptionsName } from "./routes.ts";

const GROUPS: Readonly<Record<string, readonly Request[]>> = {
  "right requests": USUAL,
  metadata: METADATA,
  "errors of handlers": ERRORS,
  "paths, methods and content types": HTTP,
  compression: COMPRESSION,
  "envelopes and messages": FRAMING,
  "deadlines and resets": DEADLINES,
  "HTTP/2": HTTP2,
};

type Ports = Readonly<Record<OptionsName, number>>;

/** Nothing lasts nearly as long, save for a server that does not answer. */
const GUARD_MS = 3_000;

/** Plays a request on a connection of its own. */
async function play(ports: Ports, { play, options = "usual", handshake }: Request): Promise<Outcome | "no answer"> {
  const client = await connectRaw(ports[options]);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silent = new Promise<"no answer">((resolve) => timer = setTimeout(() => resolve("no answer"), GUARD_MS));
  const answer = async () => {
    if (handshake !== false) await client.handshake();
    // What is sent at once comes at once: a server that ends the connection with bytes unread would reset it, and what it
    // has said of the reason would be lost.
    client.socket.cork();
    const id = play(client);
    client.socket.uncork();
    return outcomeOf(await client.reply(await id));
  };
  try {
    return await Promise.race([answer(), silent]);
  } finally {
    clearTimeout(timer);
    client.destroy();
  }
}

let reference: Child, theirs: Ports, ours: Ours;
before(async () => {
  // On Node whatever this runs on, so that only the server under test differs.
  reference = startScript("node", "test/differential/server/reference.ts");
  const [line] = await reference.line(/^\{.*\}$/);
  theirs = JSON.parse(line) as Ports;
  ours = await serveOurs();
});
after(async () => {
  await ours.close();
  await reference.kill();
});

for (const [group, requests] of Object.entries(GROUPS)) {
  describe(`as connect-node's server: ${group}`, () => {
    for (const request of requests) {
      const { name } = request;
      const differs = DIFFERENCES[name];
      if (differs === undefined) {
        it(name, async () => {
          assert.deepEqual(await play(ours.ports, request), await play(theirs, request));
        });
        continue;
      }
      it(`${name} (differs)`, async () => {
        const outcome = await play(ours.ports, request);
        assert.ok(typeof outcome === "object", "no answer");
        assert.deepEqual(outcome, { ...outcome, ...differs.outcome });
        // A difference that has gone should go from the list.
        if (!differs.unsteady) assert.notDeepEqual(await play(theirs, request), outcome);
      });
    }
  });
}

it("plays more than 150 requests, each under a name of its own", () => {
  const names = Object.values(GROUPS).flatMap((requests) => requests.map(({ name }) => name));
  assert.ok(names.length > 150);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(Object.keys(DIFFERENCES).filter((name) => !names.includes(name)), []);
});
