// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import IdeficsImages

/// What is learned from: the section `data` of a recipe.
public struct DataConfig: Sendable, Equatable, Codable {
    /// Which tokens of a conversation count for the loss; documents and pairs count whole.
    public enum LossTokens: String, Sendable, Codable, CaseIterable {
        /// The assistant's turns and the token that ends them.
        case assistant
        /// Everything.
        case all
    }

    /// What happens to a line that is not an example, and to an example whose image cannot be had.
    public enum BadLines: String, Sendable, Codable, CaseIterable {
        /// The run stops.
        case fail
        /// It is left out and reported.
        case skip
    }

    /// JSON lines to train on.
    public var train = ""
    /// JSON lines to evaluate on, every `trainer.evalSteps` and after the last step.
    public var eval: String?
    /// Prompts that are continued at each evaluation, to look at.
    public var samples: [SamplePrompt] = []
    /// Tokens of each continuation.
    public var sampleTokens = 48
    /// Which tokens of conversations count.
    public var loss = LossTokens.assistant
    /// Whether `<image>` and the tokens around it count, where the rest does.
    public var imageTokensInLoss = false
    /// Tokens of an example; longer ones are cut.
    public var maxTokens = 1024
    /// What happens to bad lines.
    public var badLines = BadLines.fail
    /// Whether the data is put in another order in each epoch.
    public var shuffle = true
    /// Keys of data lines that are not used, at the line's level and at that of a message; others that are not known are
    /// errors.
    public var ignoredKeys: [String] = []
    /// The largest image that is decoded, in pixels.
    public var maxImagePixels = ImageLimits().maxPixels
    /// The largest encoded image, in bytes.
    public var maxImageBytes = ImageLimits().maxBytes
    /// Whether image URLs may name private and loopback addresses.
    public var allowPrivateAddresses = false

    /// The defaults.
    public init() {}

    /// Reads a section of a recipe.
    public init(from decoder: any Decoder) throws {
        self.init()
        var keys = try StrictKeys(decoder)
        try keys.read("train", into: &train)
        try keys.read("eval", into: &eval)
        try keys.read("samples", into: &samples)
        try keys.read("sampleTokens", into: &sampleTokens)
        try keys.read("loss", into: &loss)
        try keys.read("imageTokensInLoss", into: &imageTokensInLoss)
        try keys.read("maxTokens", into: &maxTokens)
        try keys.read("badLines", into: &badLines)
        try keys.read("shuffle", into: &shuffle)
        try keys.read("ignoredKeys", into: &ignoredKeys)
        try keys.read("maxImagePixels", into: &maxImagePixels)
        try keys.read("maxImageBytes", into: &maxImageBytes)
        try keys.read("allowPrivateAddresses", into: &allowPrivateAddresses)
        try keys.finish()
    }

    /// Checks every value.
    ///
    /// - Throws: `TrainingError.config` naming the key.
    public func validate() throws {
        guard 2...1_000_000 ~= maxTokens else {
            throw TrainingError.config(key: "data.maxTokens", reason: "\(maxTokens) must be 2 to 1000000")
        }
        guard 1...100_000 ~= sampleTokens else {
            throw TrainingError.config(key: "data.sampleTokens", reason: "\(sampleTokens) must be 1 to 100000")
        }
        for (key, value) in [("maxImagePixels", maxImagePixels), ("maxImageBytes", maxImageBytes)]
        where !(1...1_000_000_000_000 ~= value) {
            throw TrainingError.config(key: "data.\(key)", reason: "\(value) must be 1 to 1000000000000")
        }
    }
}

extension DataConfig {
    /// The limits of images.
    package var imageLimits: ImageLimits {
        ImageLimits(maxPixels: maxImagePixels, maxBytes: maxImageBytes)
    }

    /// What is wrong with an image, with the key of the limit that it exceeds.
    func reason(of error: any Error) -> String {
        var cause = error as? ImageError
        while case .image(_, let inner) = cause { cause = inner }
        return switch cause {
        case .tooLarge: "\(error) (data.maxImagePixels)"
        case .tooManyBytes: "\(error) (data.maxImageBytes)"
        default: "\(error)"
        }
    }
}

/// A prompt that is continued now and then during training: a string in a recipe, or `{text: …}` (as it stands) or
/// `{user: …}` (a turn of a chat), with `image: path-or-url` if there is an image before the text.
public struct SamplePrompt: Sendable, Equatable, Codable {
    /// A text that is continued as it stands.
    public var text: String?
    /// What the user says; the assistant's answer is what is generated.
    public var user: String?
    /// An image before it: path or URL.
    public var image: String?

    /// A text that is continued.
    public init(text: String) {
        self.text = text
    }

    /// Reads an element of a recipe's list.
    public init(from decoder: any Decoder) throws {
        if let text = try? decoder.singleValueContainer().decode(String.self) {
            self.text = text
            return
        }
        var keys = try StrictKeys(decoder)
        try keys.read("text", into: &text)
        try keys.read("user", into: &user)
        try keys.read("image", into: &image)
        try keys.finish()
        guard (text == nil) != (user == nil) else {
            throw TrainingError.config(key: "data.samples", reason: "each has either text or user")
        }
    }
}

/// Which parameters are trained: the section `parameters` of a recipe.
///
/// What `config.json` of the model leaves unfrozen (`freeze_text_layers`, `freeze_vision_layers`, `freeze_lm_head` and
/// their exceptions), and what `train` names, but nothing that `freeze` names. `*` stands for any text.
public struct ParameterConfig: Sendable, Equatable, Codable {
    /// Patterns of names that are trained although the model's configuration freezes them.
    public var train: [String] = []
    /// Patterns of names that are not trained whatever else is said.
    public var freeze: [String] = []

    /// What the patterns say, by default nothing.
    public init(train: [String] = [], freeze: [String] = []) {
        self.train = train
        self.freeze = freeze
    }

    /// Reads a section of a recipe.
    public init(from decoder: any Decoder) throws {
        var keys = try StrictKeys(decoder)
        try keys.read("train", into: &train)
        try keys.read("freeze", into: &freeze)
        try keys.finish()
    }
}
