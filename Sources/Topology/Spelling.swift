/// The number of insertions, deletions, replacements and swaps of neighbours that turn one text into the other
/// (optimal string alignment), counted in Unicode scalars.
func editDistance(_ first: String, _ second: String) -> Int {
  let a = Array(first.unicodeScalars)
  let b = Array(second.unicodeScalars)
  if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
  var beforePrevious = [Int](repeating: 0, count: b.count + 1)
  var previous = Array(0...b.count)
  var current = previous
  for i in 1...a.count {
    current[0] = i
    for j in 1...b.count {
      let replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)
      current[j] = min(previous[j] + 1, current[j - 1] + 1, replaced)
      if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
        current[j] = min(current[j], beforePrevious[j - 2] + 1)
      }
    }
    (beforePrevious, previous, current) = (previous, current, beforePrevious)
  }
  return previous[b.count]
}

/// The candidate nearest in spelling to a text, if one is near enough to be meant: at most a third of the letters (one at
/// least) differ, upper and lower case counting as the same. The first of equally near ones.
public func nearestSpelling(of text: String, among candidates: [String]) -> String? {
  let length = text.unicodeScalars.count
  guard length > 0, length <= 64 else { return nil }
  var best: String?
  var bestDistance = max(1, length / 3) + 1
  for candidate in candidates where candidate.unicodeScalars.count <= 64 {
    let distance = editDistance(text.lowercased(), candidate.lowercased())
    if distance < bestDistance {
      bestDistance = distance
      best = candidate
    }
  }
  return best
}

/// The mend for an unknown word: the nearest spelling, or else the list of what is known.
public func spellingMend(of text: String, among candidates: [String], noun: String) -> String? {
  if let nearest = nearestSpelling(of: text, among: candidates) { return "did you mean \"\(nearest)\"?" }
  if candidates.isEmpty { return nil }
  return "\(noun): " + candidates.joined(separator: ", ")
}
