// Loaded into a Node server before its own code (`node --import`): its clock stands still and its dice always fall the
// same, so that answers which name the time or draw lots can be compared byte for byte. Timers run as ever.
const noon = new Date("2026-01-02T12:00:00.000Z").getTime();

globalThis.Date = class extends Date {
  constructor(...given) {
    super(...(given.length === 0 ? [noon] : given));
  }

  static now() {
    return noon;
  }
};
Math.random = () => 0.5;
