/** The bound on calls that an application waits for: a broker that hangs is given up only later. */

import { realTime } from "../../transport/clock.ts";
import { ClusterError } from "../broker/cluster-error.ts";

/** How long a broker's answer is waited for, in milliseconds, however many questions it takes. */
export const answerTimeout = 5000;

/** The call's own answer, or a `ClusterError` with `unavailable` where that does not come in time; then nobody hears of it. */
export function inTime<Answer>(call: Promise<Answer>, longest: number = answerTimeout): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new ClusterError("unavailable", `The broker did not answer within ${longest} ms`));
    const cancel = realTime.after(longest, late, true);
    call.then(resolve, reject).finally(cancel);
  });
}
