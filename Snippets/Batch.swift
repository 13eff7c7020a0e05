// Caption several images at once: swift run Batch MODEL IMAGE...
//
// A batch computes all its prompts together, without padding; each answer is what it would be alone.

import Foundation
import Idefics

let arguments = CommandLine.arguments
guard arguments.count >= 3 else {
    print("usage: Batch MODEL IMAGE...")
    exit(64)
}

let model = try await Idefics.load(from: arguments[1])
let images = arguments.dropFirst(2)
let prompts = images.map { path -> Prompt in
    [.image(.file(URL(filePath: path))), .text("An image of")]
}
var config = model.generationConfig
config.maxNewTokens = 16
config.badWordsIds = model.chatConfig.badWordsIds  // image tokens are never written
var captions = [String](repeating: "", count: prompts.count)
for try await event in model.generate(prompts, config: config) {
    // Events of all prompts come as they happen; `promptIndex` says whose they are.
    if case .finished(let info) = event { captions[info.promptIndex] = info.text }
}
for (path, caption) in zip(images, captions) { print("\(path): An image of\(caption)") }
