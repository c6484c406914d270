import { createDecoder } from "./decoder/decoder.ts";
import { createEncoder } from "./encoder/encoder.ts";
import type { BinaryCoders } from "./message-format.ts";

/** Coders that are compiled from a message's descriptor. They are in files of their own so that small bundles do without. */
export const COMPILED_CODERS: BinaryCoders = { createEncoder, createDecoder };
