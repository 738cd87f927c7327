import { createTask, type TaskContext } from 'node-cron';
import type { Logger } from 'pino';

/** Something to be done at the times of a cron expression (UTC). */
export interface ScheduleEntry {
  readonly name: string;
  readonly cron: string;
  /**
   * May be called for the same tick by any number of schedulers, and must make one of them.
   *
   * @param tick - the time that the expression names, not the time of the call
   */
  readonly onTick: (tick: Date) => Promise<void>;
}

export interface RunningSchedule {
  /** Starts no more ticks and waits for the running ones. */
  stop(): Promise<void>;
}

/** A tick that comes later than this, after a hang of the process, is left to the next one. */
const LATEST_START_MILLISECONDS = 30_000;
const CLOCK_CHECK_MILLISECONDS = 1_000;
const CLOCK_STEP_MILLISECONDS = 2_000;

/** Calls the entries at their times. A tick that fails is logged and dropped: the next one comes. */
export function startSchedule(entries: readonly ScheduleEntry[], logger: Logger): RunningSchedule {
  const running = new Set<Promise<void>>();
  const tasks = entries.map((entry) => {
    const task = createTask(entry.cron, (context) => track(runTick(entry, context)), {
      name: entry.name,
      timezone: 'UTC',
      missedExecutionTolerance: LATEST_START_MILLISECONDS,
    });
    task.on('execution:missed', ({ date }) =>
      logger.warn({ schedule: entry.name, tick: date }, 'tick missed'),
    );
    void task.start();
    return task;
  });
  const clockCheck = onClockStep((stepMilliseconds) => {
    logger.warn({ stepMilliseconds }, 'The clock was set; the next ticks are counted anew');
    for (const task of tasks) {
      void task.stop();
      void task.start();
    }
  });

  async function runTick(entry: ScheduleEntry, { date }: TaskContext): Promise<void> {
    try {
      await entry.onTick(date);
      logger.debug({ schedule: entry.name, tick: date }, 'tick');
    } catch (error) {
      logger.warn({ err: error, schedule: entry.name, tick: date }, 'tick dropped, the next one comes');
    }
  }

  async function track(tick: Promise<void>): Promise<void> {
    running.add(tick);
    await tick;
    running.delete(tick);
  }

  return {
    async stop() {
      clearInterval(clockCheck);
      for (const task of tasks) void task.destroy();
      await Promise.all(running);
    },
  };
}

/** node-cron waits for the time it has computed: after a step back of an hour it would be silent for an hour. */
function onClockStep(tell: (stepMilliseconds: number) => void): NodeJS.Timeout {
  let offset = Date.now() - performance.now();
  return setInterval(() => {
    const now = Date.now() - performance.now();
    const step = Math.round(now - offset);
    offset = now;
    if (Math.abs(step) >= CLOCK_STEP_MILLISECONDS) tell(step);
  }, CLOCK_CHECK_MILLISECONDS);
}
