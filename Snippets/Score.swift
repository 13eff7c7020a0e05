// Classify an image by the likelihood of labels: swift run Score MODEL IMAGE LABEL...
//
// Image and prompt are computed once; each label is scored as their continuation.

import Foundation
import Idefics

let arguments = CommandLine.arguments
guard arguments.count >= 4 else {
    print("usage: Score MODEL IMAGE LABEL...")
    exit(64)
}

let model = try await Idefics.load(from: arguments[1])
let labels = Array(arguments.dropFirst(3))
let prompt: Prompt = [.image(.file(URL(filePath: arguments[2]))), .text("An image of a")]
let scores = try await model.score(prompt, continuations: labels.map { " \($0)" })
for (label, score) in zip(labels, scores).sorted(by: { $0.1.sum > $1.1.sum }) {
    print("\(label): log-probability \(score.sum) over \(score.logProbs.count) tokens")
}
