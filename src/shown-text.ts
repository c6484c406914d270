/**
 * What could change how the text around it is displayed, or pretend to be something else: control characters (a
 * terminal obeys them), line separators, characters that reverse the direction of text, and halves of surrogate pairs.
 */
const UNSAFE = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/u;

/** The most characters that are shown of a text. */
const MOST_SHOWN = 200;

/**
 * Text from elsewhere (a server, a registry, a peer) as errors, events, logs and pages show it: at most `max`
 * characters, the last one `…` if it was cut, with control and bidirectional characters escaped as `\u202e`. Characters
 * are whole code points.
 */
export function shownText(text: string, max: number = MOST_SHOWN): string {
  if (text.length <= max && !UNSAFE.test(text)) return text;
  // The text may be very long: no more of it is looked at than can be shown.
  const shown: string[] = [];
  let room = max, whole = true;
  // Where to cut if not all of it fits.
  let kept = 0;
  for (const character of text) {
    const piece = shownCharacter(character);
    room -= piece === character ? 1 : piece.length;
    if (room < 0) {
      whole = false;
      break;
    }
    shown.push(piece);
    if (room > 0) kept = shown.length;
  }
  return whole ? shown.join("") : `${shown.slice(0, kept).join("")}…`.slice(max === 0 ? 1 : 0);
}

/** Text with control and bidirectional characters escaped, whatever its length. */
export function escapedText(text: string): string {
  return UNSAFE.test(text) ? Array.from(text, shownCharacter).join("") : text;
}

function shownCharacter(character: string): string {
  return UNSAFE.test(character) ? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}` : character;
}
