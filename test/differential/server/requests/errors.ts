import { Code } from "@connectrpc/connect";
import { BIDI, CLIENT_STREAM, type Request, send, SERVER_STREAM } from "../request.ts";

const codes = Object.values(Code).filter((code): code is Code => typeof code === "number");

const MESSAGES: Readonly<Record<string, string>> = {
  "without a text": "",
  "not ASCII": "grüße ✓ 🎉",
  "with per cent signs": "100% %41 %",
  "of two lines": "a\r\nb\tc",
  "with spaces around": "  a  ",
  "with a zero byte and DEL": "a\u0000b\u007f",
};

/** What handlers fail with. */
export const ERRORS: readonly Request[] = [
  ...codes.map((code) => ({ name: `an error of code ${Code[code]}`, play: send({ texts: [`code ${code}`] }) })),
  ...Object.entries(MESSAGES).map(([name, text]) => ({
    name: `an error's message ${name}`,
    play: send({ texts: [`message ${text}`] }),
  })),
  { name: "a code that there is not", play: send({ texts: ["code 99"] }) },
  { name: "the code 0 of an error", play: send({ texts: ["code 0"] }) },
  { name: "a message of 3,000 characters", play: send({ texts: ["long-message"] }) },
  { name: "an error with a detail", play: send({ texts: ["detail"] }) },
  { name: "an error with two details", play: send({ texts: ["details"] }) },
  { name: "an error with a detail after messages", play: send({ path: SERVER_STREAM, texts: ["3 detail"] }) },
  { name: "an error with a cause", play: send({ texts: ["cause"] }) },
  { name: "an error that is no ConnectError", play: send({ texts: ["error"] }) },
  { name: "a TypeError", play: send({ texts: ["type-error"] }) },
  { name: "a string that is thrown", play: send({ texts: ["string"] }) },
  { name: "undefined that is thrown", play: send({ texts: ["nothing"] }) },
  { name: "an AbortError that is thrown", play: send({ texts: ["canceled"] }) },
  { name: "an answer that is no message", play: send({ texts: ["wrong"] }) },
  { name: "an answer of a stream that is no message", play: send({ path: SERVER_STREAM, texts: ["2 wrong"] }) },
  { name: "a server stream that fails at once", play: send({ path: SERVER_STREAM, texts: ["0 code 5"] }) },
  { name: "a server stream that fails after messages", play: send({ path: SERVER_STREAM, texts: ["3 code 5"] }) },
  { name: "a server stream that fails with no ConnectError", play: send({ path: SERVER_STREAM, texts: ["3 error"] }) },
  { name: "a client stream that fails", play: send({ path: CLIENT_STREAM, texts: ["code 7"] }) },
  { name: "a bidi stream that fails at its first message", play: send({ path: BIDI, texts: ["code 7"] }) },
  { name: "a bidi stream that fails at its second message", play: send({ path: BIDI, texts: ["a", "code 7", "b"] }) },
  { name: "an answer that may be written", options: "limited", play: send({ texts: ["characters 900"] }) },
  { name: "an answer that is too large to be written", options: "limited", play: send({ texts: ["characters 1000"] }) },
  {
    name: "an answer of a stream that is too large to be written",
    options: "limited",
    play: send({ path: SERVER_STREAM, texts: ["2 characters 1000"] }),
  },
];
