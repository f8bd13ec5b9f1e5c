# frozen_string_literal: true

require "json"
require "open3"

# What the Vagrantfile knows: the answer of `bootstrap vagrant`, which reads and checks the topology as all commands do.
module Utopia
  ROOT = File.expand_path("..", __dir__)
  BOOTSTRAP = File.join(ROOT, ".venv/bin/bootstrap")
  MAKING = %w[up reload].freeze # commands for which the machine image and the network must be there

  # `bootstrap cluster` runs Vagrant: it has written the inputs down, and goes on by itself afterwards.
  def self.driven?
    ENV.key?("UTOPIA_VAGRANT_INPUTS")
  end

  # UTOPIA_CONVERGE=no: machines alone.
  def self.converge?
    !driven? && ENV["UTOPIA_CONVERGE"] != "no"
  end

  def self.inputs
    return JSON.parse(File.read(ENV.fetch("UTOPIA_VAGRANT_INPUTS"))) if driven?

    system("make", "--silent", "--directory", ROOT, ".venv/ready", out: :err) || abort("the Python part could not be set up")
    words = [BOOTSTRAP, "vagrant", "--env", ENV.fetch("UTOPIA_ENV", "vagrant"), "--json"]
    words << "--prepare" if MAKING.include?(ARGV.first)
    answer, status = Open3.capture2(*words)
    abort("the environment is not as Vagrant needs it: see above") unless status.success?
    JSON.parse(answer)
  end

  # Makes `vagrant up` end with an error.
  class NotConverged < Vagrant::Errors::VagrantError
    error_message("The machines run, but the cluster is not set up: see above. `vagrant up` goes on where it stopped.")
  end

  def self.converge_after(node, inputs)
    node.trigger.after :up do |trigger|
      trigger.name = "bootstrap cluster"
      trigger.ruby { system(BOOTSTRAP, "cluster", "--env", inputs["spec"]) || raise(NotConverged) }
    end
  end
end
