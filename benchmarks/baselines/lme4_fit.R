# Reads one problem written by lme4_r.py, fits every outcome with lmer, writes likelihoods and variances back.
# Usage: Rscript lme4_fit.R FOLDER EFFECTS N_GROUPINGS default|plain
suppressPackageStartupMessages(library(lme4))
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
n_groupings <- as.integer(arguments[3])
# "plain" leaves out the derivatives that lmer takes at the end, to warn of what has not converged
control <- if (arguments[4] == "plain") lmerControl(calc.derivs = FALSE) else lmerControl()
read_doubles <- function(name, n) readBin(file.path(folder, name), "double", n)
shape <- read_doubles("shape.bin", 3)
x <- matrix(read_doubles("x.bin", shape[1] * shape[2]), nrow = shape[1])
y <- matrix(read_doubles("y.bin", shape[1] * shape[3]), nrow = shape[1])
n_fixed <- shape[2] - n_groupings
data <- as.data.frame(x)
names(data) <- c(if (n_fixed) paste0("x", seq_len(n_fixed)), paste0("g", seq_len(n_groupings)))
for (name in paste0("g", seq_len(n_groupings))) data[[name]] <- factor(data[[name]])
fixed <- if (n_fixed) paste(paste0("x", seq_len(n_fixed)), collapse = " + ") else "1"
formula <- as.formula(paste("y ~", fixed, "+", arguments[2]))
fits <- list()
clock <- system.time(for (outcome in seq_len(shape[3])) {
  data$y <- y[, outcome]
  fits[[outcome]] <- suppressMessages(suppressWarnings(lmer(formula, data = data, control = control)))
})
said <- unlist(lapply(fits, function(fit) {
  components <- VarCorr(fit)
  # the groupings in the order of the formula, not of their sizes
  triangles <- unlist(lapply(components[order(names(components))], function(Sigma) Sigma[lower.tri(Sigma, diag = TRUE)]))
  c(as.numeric(logLik(fit)), sigma(fit)^2, triangles)
}))
writeBin(as.numeric(said), file.path(folder, "said.bin"))
peak <- tryCatch({
  line <- grep("VmHWM", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) * 1024 / 1e6
}, error = function(e) 0)
writeBin(c(peak, clock[["elapsed"]], clock[["user.self"]] + clock[["sys.self"]]), file.path(folder, "facts.bin"))
