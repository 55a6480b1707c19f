/** Whether locks whose shadows AWS answers for notice those it does not answer for. */
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { type Benchmark, ratioBound } from "../benchmark.ts"
import { fillServer, startLatchkey } from "../latchkeyServer.ts"
import { API_KEY, deal, post, startGenerator, underLoad } from "../load.ts"
import { lockIds, lockUuid } from "../locks.ts"
import { Server } from "../processes.ts"
import { measure, type Subject } from "../rounds.ts"

const HANGING = 100
/** Few enough that the processor is not what they wait for. */
const CALLERS = 4
/** Milliseconds after which the server gives up a shadow that hangs. */
const DEADLINE = 3000

export const hangingEndpoint: Benchmark = {
  name: "hanging-endpoint",
  title: `OpenLock on AWS, while its endpoint hangs for ${HANGING} other locks: ${CALLERS} callers`,
  run: async (run) => {
    const healthy = lockIds(100)
    const hanging = Array.from({ length: HANGING }, (_, n) => healthy.length + 1 + n)
    await using generator = await startGenerator()
    await using aws = await Server.start(new URL("../children/slowAws.ts", import.meta.url), {
      args: hanging.map(lockUuid)
    })
    const awsIot = {
      LATCHKEY_SHADOW: "aws",
      AWS_REGION: "eu-west-1",
      AWS_ACCESS_KEY_ID: "bench",
      AWS_SECRET_ACCESS_KEY: "bench",
      AWS_ENDPOINT_URL_IOT_DATA_PLANE: `http://127.0.0.1:${aws.port}`
    }
    // Every command to a lock that hangs is a line in the log.
    await using server = await startLatchkey(join(run.folder, "latchkey"), awsIot, { quiet: true })
    await fillServer(generator, server, healthy.length + HANGING, 0)
    const open = (lockId: number) => `/locks/${lockId}/OpenLock`
    const alone = underLoad("beside healthy locks", generator, server, () =>
      deal(healthy, CALLERS).map((ids) => ids.map((id) => post(open(id), {})))
    )
    const refused: Array<number> = []
    /**
     * A caller for each lock that hangs, who asks again as soon as it was refused. They begin one after the other, so that
     * they are not refused all at once; what is measured begins when the last of them has.
     */
    const besideHanging = async (load: Subject["measure"], seconds: number) => {
      let over = false
      const begins = hanging.map((_, n) => setTimeout((n * DEADLINE) / HANGING))
      const callers = hanging.map(async (lockId, n) => {
        await begins[n]
        while (!over) {
          const begun = performance.now()
          const { status } = await fetch(`http://127.0.0.1:${server.port}${open(lockId)}`, {
            method: "POST",
            headers: { "x-api-key": API_KEY, "content-type": "application/json" },
            body: "{}"
          })
          if (status !== 502) throw new Error(`A lock whose endpoint hangs was answered ${status}`)
          refused.push(performance.now() - begun)
        }
      })
      const measured = Promise.all(begins)
        .then(() => load(seconds))
        .finally(() => {
          over = true
        })
      const [sample] = await Promise.all([measured, ...callers])
      return sample
    }
    const figures = await measure(run, [
      alone,
      { name: `beside ${HANGING} that hang`, measure: (seconds) => besideHanging(alone.measure, seconds) }
    ])
    return {
      figures,
      bounds: [ratioBound("beside locks that hang, beside healthy ones", figures[1], figures[0], 0.8)],
      notes: [
        `${refused.length} commands to locks that hang were answered 502, after ${(Math.max(...refused) / 1000).toFixed(1)} s at most.`
      ]
    }
  }
}
