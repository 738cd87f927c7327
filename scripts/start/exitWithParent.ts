/**
 * Loaded before a process of the system (`node --import`): ends it at once when the supervisor is gone, so that nothing stays behind when that
 * one is killed. There is nothing left to drain into then, the embedded databases end with it as well.
 */
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.channel?.unref();
