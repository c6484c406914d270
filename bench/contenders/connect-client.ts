import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { type CallSettings, type Contender, expect } from "../contender.ts";
import { BIDI_TURNS, type Kind, STREAM_MESSAGES, textLength } from "../kind.ts";

/** What all contenders that are Connect transports share: `createClient` and its four kinds of calls. */
export function connectContender(
  clientOf: (kind: Kind) => Client<typeof Simple>,
  close: () => Promise<void>,
): Contender {
  const texts = new Map<number, string>();
  const textOf = (kind: Kind) => {
    const length = textLength(kind);
    let text = texts.get(length);
    if (text === undefined) texts.set(length, text = "x".repeat(length));
    return text;
  };
  return {
    async unary(kind, settings) {
      const { value } = await clientOf(kind).route({ data: textOf(kind) }, settings as CallSettings & CallOptions);
      expect("characters", value.length, textLength(kind));
    },
    async serverStream(kind) {
      let count = 0, characters = 0;
      for await (const { value } of clientOf(kind).routeServerStream({ data: textOf(kind) })) {
        count++;
        characters += value.length;
      }
      expect("characters", characters, STREAM_MESSAGES * textLength(kind));
      expect("messages", count, STREAM_MESSAGES);
    },
    async bidi(kind) {
      let answered = () => {}, count = 0;
      const data = textOf(kind);
      async function* requests() {
        for (let i = 0; i < BIDI_TURNS; i++) {
          const answer = new Promise<void>((resolve) => answered = resolve);
          yield { data };
          await answer;
        }
      }
      for await (const { value } of clientOf(kind).routeBidiStream(requests())) {
        expect("characters", value.length, textLength(kind));
        count++;
        answered();
      }
      expect("messages", count, BIDI_TURNS);
    },
    close,
  };
}

/** A client of the demo service over a transport. */
export function simpleClient(transport: Transport): Client<typeof Simple> {
  return createClient(Simple, transport);
}
