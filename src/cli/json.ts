/** What JSON leaves as it is, and terminals obey: controls, directions of text, line separators. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029\p{Cf}]/gu;

/** A value as JSON that is safe to print on a terminal. Bigints, which JSON doesn't have, become text. */
export function jsonText(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, (_, inner: unknown) => typeof inner === "bigint" ? String(inner) : inner, indent);
  return text.replaceAll(UNSAFE, (character) => {
    return Array.from({ length: character.length }, (_, i) => {
      return `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
    }).join("");
  });
}
