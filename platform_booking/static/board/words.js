// The board's words: the page brings them in the reader's language.
export const settings = JSON.parse(document.getElementById("board-settings").textContent);
settings.zooms = Object.fromEntries(settings.zooms); // finest first
export const words = settings.words;

// Fills %(name)s in.
export function say(sentence, values = {}) {
  return sentence.replace(/%\((\w+)\)s/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// A quantity as people say it: shuttle area in mm², all else as it is.
export function amount(quantity, row) {
  return row.area ? `${quantity / 100} mm²` : String(quantity);
}

export function duration(minutes) {
  const units = words.units;
  const parts = [[Math.floor(minutes / 1440), units.day], [Math.floor(minutes / 60) % 24, units.hour], [minutes % 60, units.minute]];
  return parts.filter(([n]) => n).map(([n, unit]) => `${n} ${unit}`).join(" ") || `0 ${units.minute}`;
}
