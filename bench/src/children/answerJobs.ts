/** The child's end of a `Child`: says that it is ready, then answers each job. A job that fails ends the process. */
export const answerJobs = <Job, Answer>(answer: (job: Job) => Promise<Answer>): void => {
  process.on("message", async ({ job }: { readonly job: Job }) => {
    process.send?.({ answer: await answer(job) })
  })
  process.on("disconnect", () => process.exit())
  process.send?.("ready")
}
