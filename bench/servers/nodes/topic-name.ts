/** The names of the topics that clients resume. */
export function topicName(index: number): string {
  return `topic-${index}`;
}
