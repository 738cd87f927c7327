/** The `Date` of a wall clock that runs on from another time. Timers do not know about it. */
export function laterDate(real: DateConstructor, milliseconds: () => number): DateConstructor {
  return new Proxy(real, {
    construct: (target, args) =>
      args.length === 0 ? new target(target.now() + milliseconds()) : Reflect.construct(target, args),
    get: (target, key) => (key === 'now' ? () => target.now() + milliseconds() : Reflect.get(target, key)),
  });
}
