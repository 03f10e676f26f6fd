/** Processor time of this process in ms: on a busy machine a clock on the wall says nothing about our code. */
export const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
